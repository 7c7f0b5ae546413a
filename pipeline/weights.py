"""A weights name becomes a verified file on this node: downloaded once, hashed once.

Names are those of pipeline/weight_catalogue.py, s3:// and https:// addresses, and local paths. The
cache's file name holds the remote file's version, so that a replaced object is fetched again.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.storage import open_filesystem
from pipeline.storage_errors import translated
from pipeline.weight_catalogue import CATALOGUE, Published
from schemas.errors import BadWeights
from schemas.job import Storage


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
                "a folder" if path.is_dir() else "no such file",
                "a name of `vrp weights list`, a file, or an s3:// or https:// address",
            )
        return path.resolve()
    fs, remote = open_filesystem(address, storage)
    if published and published.sha256:
        version = published.sha256
    else:
        with translated(fs, remote, "read"):
            version = _version(fs.info(remote))
    name = hashlib.sha256(f"{address} {version}".encode()).hexdigest()[:16]
    path = folder / "weights" / f"{name}-{Path(remote).name}"
    with _alone(path):
        if not path.is_file():
            _download(fs, remote, path, published)
    return path


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
    known.parent.mkdir(parents=True, exist_ok=True)
    with _whole(known) as partial:
        partial.write_text(json.dumps({**stamp, "sha256": digest}))
    return digest


def _version(info: dict[str, Any]) -> str:
    """Return what changes when a remote file is replaced: its tag if it has one, size and time."""
    tag = info.get("ETag") or info.get("LastModified") or info.get("mtime") or ""
    return f"{info.get('size')} {tag}"


def _download(fs: Any, remote: str, path: Path, published: Published | None) -> None:
    with _whole(path) as partial:
        with translated(fs, remote, "read"):
            wanted_bytes = fs.info(remote).get("size")
            fs.get_file(remote, str(partial))
        got_bytes, digest = partial.stat().st_size, _hash(partial)
        where = published.address if published else str(fs.unstrip_protocol(remote))
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


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a file to write beside `path`; it takes the name when all went well, else goes."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Let one process of this node at a time work on `path`; the lock ends with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
