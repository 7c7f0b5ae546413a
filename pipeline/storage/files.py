"""Turn URIs into bytes read and objects written: the one place that knows fsspec and s3fs.

What a user can mend (a missing file, bucket or permission, an endpoint that does not answer) is
raised as BadStorage; what only a retry mends stays an OSError.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, cast
from urllib.parse import urlsplit
from urllib.request import getproxies

import fsspec
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from model.local_files import beside, sync, whole_file
from pipeline.storage.errors import endpoint_of, translated, unanswered
from pipeline.storage.local_listing import list_local
from pipeline.storage.s3_options import s3_options
from schemas.errors import BadStorage
from schemas.job.storage import Storage

if TYPE_CHECKING:
    from botocore.loaders import Loader

    from pipeline.storage.patient_s3 import PatientS3

_SINGLE_PUT_BYTES = 5 * 2**30
PROBE_STEM = ".vrp-write-probe"


def open_filesystem(uri: str, storage: Storage) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a URI, and the URI's path in it.

    Every call opens a new client: fsspec's own cache of them outlives a change of credentials.
    An S3 client takes 0.04 s: open once per task. Raises BadStorage for an unknown scheme.
    """
    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if uri.startswith(("s3://", "s3a://")):
        return _open_s3(uri, storage, options)
    try:
        return fsspec.url_to_fs(uri, **options)
    except (ImportError, ValueError) as error:
        raise BadStorage(
            "a storage scheme that cannot be opened", uri, str(error), "s3:// or a local path"
        ) from error


def _open_s3(uri: str, storage: Storage, options: dict[str, Any]) -> tuple[PatientS3, str]:
    endpoint = endpoint_of(storage.endpoint_url)
    if endpoint and not endpoint.startswith(("http://", "https://")):
        raise BadStorage(
            "an endpoint that is no URL", uri, endpoint, "http://host:port or https://host"
        )
    # Local files are read without s3fs and botocore, which take a second to import.
    from aiobotocore.session import AioSession  # noqa: PLC0415

    from pipeline.storage.patient_s3 import PatientS3  # noqa: PLC0415

    fs = PatientS3(**options, **s3_options(storage))
    # s3fs would read botocore's service descriptions again for every client, 0.17 s of CPU
    # against 0.04. Not an option of the file system, which would then no longer pickle.
    fs.session = AioSession()
    fs.session.register_component("data_loader", _service_descriptions())
    return fs, path_of(fs, uri)


@cache
def _service_descriptions() -> Loader:
    from botocore.loaders import create_loader  # noqa: PLC0415

    return create_loader()


def _is_s3(fs: AbstractFileSystem) -> TypeGuard[PatientS3]:
    return "s3" in fs.protocol


def path_of(fs: AbstractFileSystem, uri: str) -> str:
    """Return the path of a URI of an open file system."""
    # fsspec has no public name for this; url_to_fs would open another client.
    return str(type(fs)._strip_protocol(uri))


def read_bytes(
    fs: AbstractFileSystem, path: str, start: int | None = None, end: int | None = None
) -> bytes:
    """Read a file, or its bytes start to end as in a slice: past the end there is nothing.

    Raises MissingFile, BadStorage.
    """
    with translated(fs, path, "read"):
        data = fs.cat_file(path, start=start, end=end)
    assert isinstance(data, bytes), "no file system here decodes text"
    return data


def file_size(fs: AbstractFileSystem, path: str) -> int | None:
    """Return a file's size in bytes, None for a folder. Raises MissingFile, BadStorage."""
    with translated(fs, path, "read"):
        # S3 caches nothing here, but other file systems answer from an earlier listing.
        fs.invalidate_cache()
        info = fs.info(path)
    return None if info["type"] == "directory" else int(info["size"])


def list_files(
    fs: AbstractFileSystem, folder: str, stem: str = "", *, deep: bool = True
) -> dict[str, int]:
    """List files below a folder: path relative to it -> size in bytes, sorted by path.

    An absent folder lists as empty. Only paths that begin with `stem` are listed (the server
    filters); `deep=False` leaves out folders within the folder. Raises BadStorage, for a missing
    bucket too.
    """
    folder = folder.rstrip("/")
    with translated(fs, folder, "listed"):
        if isinstance(fs, LocalFileSystem):
            sizes = list_local(folder or "/", stem, deep)
        elif _is_s3(fs):
            sizes = _list_s3(fs, folder, stem, deep)
        else:
            fs.invalidate_cache()
            depth = None if deep else 1
            entries = fs.find(folder, maxdepth=depth, detail=True)
            sizes = {name[len(folder) + 1 :]: int(entries[name]["size"]) for name in entries}
    return {name: sizes[name] for name in sorted(sizes) if name.startswith(stem)}


def _list_s3(fs: PatientS3, folder: str, stem: str, deep: bool) -> dict[str, int]:
    # Page by page: fs.find keeps a dictionary of a dozen fields per object until the end.
    bucket, key, _ = fs.split_path(folder)
    base = f"{key}/" if key else ""
    request = {"Bucket": bucket, "Prefix": base + stem, "Delimiter": "" if deep else "/"}
    sizes: dict[str, int] = {}
    while True:
        # s3fs's wrapper of a coroutine has no type of its own.
        page = cast("dict[str, Any]", fs.call_s3("list_objects_v2", **request))
        for entry in page.get("Contents", []):
            # A key that ends in "/" is a console's placeholder for a folder.
            if not entry["Key"].endswith("/"):
                sizes[entry["Key"][len(base) :]] = int(entry["Size"])
        if not page.get("IsTruncated"):
            return sizes
        request["ContinuationToken"] = page["NextContinuationToken"]


def create_once(fs: AbstractFileSystem, path: str, data: bytes) -> bool:
    """Write a whole new file in one atomic step; False if it is there with other bytes.

    S3: a single conditional PUT. One whose answer was lost and that is sent again finds its own
    object: the same bytes are as good as written by this call, so it returns True. Raises
    BadStorage.
    """
    with translated(fs, path, "written"):
        if isinstance(fs, LocalFileSystem):
            return _create_local(Path(path), data)
        if _is_s3(fs):
            return bool(fs.create(path, data))
        try:
            fs.pipe_file(path, data, mode="create")
        except FileExistsError:
            return fs.cat_file(path) == data
    return True


def _create_local(path: Path, data: bytes) -> bool:
    with beside(path) as written:
        written.write_bytes(data)
        sync(written)
        try:
            os.link(written, path)
        except FileExistsError:
            return path.read_bytes() == data
    sync(path.parent)
    return True


def replace(fs: AbstractFileSystem, path: str, data: bytes) -> None:
    """Write a file whole, over what is there; readers see the old or the new. Raises BadStorage."""
    with translated(fs, path, "written"):
        if isinstance(fs, LocalFileSystem):
            with whole_file(Path(path)) as whole:
                whole.write_bytes(data)
        elif _is_s3(fs):
            # One PUT, which may be 5 GB: a part that fails would begin a multipart upload anew.
            fs.pipe_file(path, data, chunksize=_SINGLE_PUT_BYTES)
        else:
            fs.pipe_file(path, data)


def check_endpoint(storage: Storage) -> None:
    """Connect to the job's own S3 endpoint, if it names one. Raises BadStorage within 15 s.

    A request that fails to connect is tried for more than a minute: right for a worker, too long
    for somebody who mistyped a host.
    """
    url = urlsplit(endpoint_of(storage.endpoint_url))
    # Behind a proxy a direct connection proves nothing.
    if not url.hostname or getproxies().get(url.scheme):
        return
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    for pause_s in (1.0, 2.0, None):
        try:
            with socket.create_connection((url.hostname, port), timeout=4):
                return
        except OSError as error:
            if pause_s is None:
                raise unanswered(f"{url.hostname}:{port}", str(error)) from error
            time.sleep(pause_s)


def check_writable(uri: str, storage: Storage) -> None:
    """Write a small probe below a folder, check that it is written once only, and delete it.

    Raises BadStorage, also for a server that ignores the condition: units would be lost or doubled.
    """
    fs, folder = open_filesystem(uri, storage)
    if _is_s3(fs):
        check_endpoint(storage)
    if isinstance(fs, MemoryFileSystem):
        raise BadStorage(
            "a storage that each process has of its own", uri, "memory", "a folder or a bucket"
        )
    if isinstance(fs, LocalFileSystem):
        # The nearest folder there is, so that a dry run leaves no new folder behind.
        while not os.path.lexists(folder):
            folder = os.path.dirname(folder)
    # A name of its own for each call: two at once took each other's probe for a broken server, and
    # left one that every later job took for one too.
    probe = f"{folder.rstrip('/')}/{PROBE_STEM}-{uuid.uuid4().hex}"
    create_once(fs, probe, b"probe")
    try:
        replaced = create_once(fs, probe, b"another")
    finally:
        remove(fs, probe)
    if replaced:
        raise BadStorage(
            "a storage without conditional writes",
            uri,
            "a second write with If-None-Match: * replaced the first",
            "a server that answers it with 412, as AWS S3 does",
        )


def remove(fs: AbstractFileSystem, path: str) -> None:
    """Delete a file that no step relies on being gone: already gone, or not allowed, is fine."""
    with translated(fs, path, "deleted"):
        try:
            fs.rm_file(path)
        except FileNotFoundError:
            # Another process was faster.
            pass
        except PermissionError:
            # A bucket may forbid deletion; no step of a job needs it.
            pass
