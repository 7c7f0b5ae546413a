"""A weights name becomes a verified file on this node: downloaded once, hashed once.

Names are those of pipeline/weights/catalogue.py, s3:// and https:// addresses, and local paths. The
cache's file name holds the remote file's version, so that a replaced object is fetched again.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from fsspec.implementations.http import HTTPFileSystem

from model.local_files import one_at_a_time, whole_file
from pipeline.storage.errors import translated, uri_of
from pipeline.storage.place import Place
from pipeline.weights.catalogue import CATALOGUE, Published
from schemas.errors import BadStorage, BadWeights
from schemas.faults import meant
from schemas.job.storage import Storage
from schemas.job.weights import random_seed

# aiohttp's own limit is 300 s for a whole download: too short for 2.6 GB below 8.5 MB/s. A server
# that says nothing for a minute is given up.
_CONNECT_S = 30
_SILENCE_S = 60


def cache_folder() -> Path:
    """Return this node's cache: $VRP_CACHE, else vrp-label below the user's cache folder."""
    if chosen := os.environ.get("VRP_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vrp-label"


def localise(weights: str, storage: Storage, folder: Path | None = None) -> Path:
    """Return a local file with the weights' contents, downloading it where it is remote.

    Processes of a node that ask at once wait for one download; a file appears only whole and, for
    catalogued names, only with the published sha256. Raises BadWeights, BadStorage.
    """
    folder = folder or cache_folder()
    published = CATALOGUE.get(weights)
    address = published.address if published else weights
    if "://" not in address:
        path = Path(address).expanduser()
        if not path.is_file():
            raise BadWeights(
                "weights that do not exist",
                weights,
                "a folder" if path.is_dir() else f"no such file{meant(path.name, CATALOGUE)}",
                "a name of `vrp weights list`, a file, or an s3:// or https:// address",
            )
        if published and published.sha256 and sha256_of(path, folder) != published.sha256:
            raise BadWeights(
                "an installed file that is not the published one",
                str(path),
                f"sha256 {sha256_of(path, folder)}",
                f"sha256 {published.sha256}",
            )
        return path.resolve()
    remote = Place.open(address, storage)
    if isinstance(remote.fs, HTTPFileSystem):
        remote.fs.client_kwargs["timeout"] = aiohttp.ClientTimeout(
            total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S
        )
    if published and published.sha256:
        version = published.sha256
    else:
        with _answered(remote):
            version = _version(remote.fs.info(remote.path))
    path = _cached(address, version, Path(_shown(remote)).name, folder)
    with one_at_a_time(path):
        if not path.is_file():
            _download(remote, path, published)
    return path


def is_at_hand(weights: str, folder: Path | None = None) -> bool:
    """True for random weights, a file that is there, or a published one that the cache holds.

    Nothing is asked of any server.
    """
    published = CATALOGUE.get(weights)
    address = published.address if published else weights
    if random_seed(weights) is not None:
        return True
    if "://" not in address:
        return Path(address).expanduser().is_file()
    if published is None or not published.sha256:
        return False
    name = address.rpartition("/")[2]
    return _cached(address, published.sha256, name, folder or cache_folder()).is_file()


def _cached(address: str, version: str, name: str, folder: Path) -> Path:
    key = hashlib.sha256(f"{address} {version}".encode()).hexdigest()[:16]
    return folder / "weights" / f"{key}-{name}"


def sha256_of(path: Path, folder: Path | None = None) -> str:
    """Return the sha256 of a file's contents, hashed again only when its size or time changes."""
    status = path.stat()
    key = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
    known = (folder or cache_folder()) / "sha256" / f"{key}.json"
    stamp = {"path": str(path.resolve()), "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    if known.is_file():
        saved = json.loads(known.read_text())
        if {name: saved.get(name) for name in stamp} == stamp:
            return str(saved["sha256"])
    digest = _hash(path)
    with whole_file(known) as partial:
        partial.write_text(json.dumps({**stamp, "sha256": digest}))
    return digest


def _version(info: dict[str, Any]) -> str:
    """Return what changes when a remote file is replaced: its tag if it has one, size and time."""
    tag = info.get("ETag") or info.get("LastModified") or info.get("mtime") or ""
    return f"{info.get('size')} {tag}"


def _shown(remote: Place) -> str:
    """Return an address without what follows a web address's question mark: often a signature."""
    if isinstance(remote.fs, HTTPFileSystem):
        return urlsplit(remote.path)._replace(query="", fragment="").geturl()
    return uri_of(remote.fs, remote.path)


@contextmanager
def _answered(remote: Place) -> Iterator[None]:
    """Raise as `translated` does; of a web server say what it answered.

    fsspec calls whatever goes wrong over HTTP a file that is not there.
    """
    with translated(remote.fs, remote.path, "read"):
        try:
            yield
        except (FileNotFoundError, aiohttp.ClientError, TimeoutError) as error:
            cause = error.__cause__ or error
            if not isinstance(remote.fs, HTTPFileSystem) or isinstance(cause, FileNotFoundError):
                raise
            match cause:
                case aiohttp.ClientResponseError():
                    got = f"HTTP status {cause.status} {cause.message}"
                case _:
                    # aiohttp spreads some of its messages over lines.
                    got = " ".join(str(cause).split()) or type(cause).__name__
            raise BadStorage(
                "a web address that gives no file",
                _shown(remote),
                got,
                "a file that can be downloaded from here without signing in",
            ) from error


def _download(remote: Place, path: Path, published: Published | None) -> None:
    # Of processes that were killed; nobody else is here.
    for left in path.parent.glob(f".{path.name}.*.tmp"):
        left.unlink()
    with whole_file(path) as partial:
        with _answered(remote):
            wanted_bytes = remote.fs.info(remote.path).get("size")
            remote.fs.get_file(remote.path, str(partial))
        got_bytes, digest = partial.stat().st_size, _hash(partial)
        where = _shown(remote)
        if wanted_bytes is not None and got_bytes != wanted_bytes:
            raise BadWeights(
                "a download that ended early", where, f"{got_bytes} bytes", f"{wanted_bytes} bytes"
            )
        if published and published.sha256 and digest != published.sha256:
            raise BadWeights(
                "a download that is not the published file",
                where,
                f"sha256 {digest}, {got_bytes} bytes",
                f"sha256 {published.sha256}, {published.size_bytes} bytes",
            )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
