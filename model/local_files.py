"""Write a file of this machine whole or not at all, and let one process in at a time."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Give a file to write in `path`'s folder; what the block leaves of it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own for each writer, hidden so that no listing by pattern takes it for a part.
    written = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield written
    finally:
        written.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a file to write beside `path`; it takes the name unless an exception ends the block."""
    with beside(path) as written:
        yield written
        sync(written)
        os.replace(written, path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk: so they survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Let one process of this node at a time work on `path`; a lock ends with its process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield
