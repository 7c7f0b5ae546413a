"""Write a file of any length as a stream that appears whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from model.local_files import whole_file
from pipeline.storage.errors import translated
from pipeline.storage.place import Place


@contextmanager
def stream_out(place: Place) -> Iterator[BinaryIO]:
    """Open a file for writing; it takes its name when the block ends, unless by an exception.

    S3: a multipart upload in blocks of 50 MB, so at most 500 GB. Raises BadStorage.
    """
    fs, path = place.fs, place.path
    write = _local if isinstance(fs, LocalFileSystem) else _remote
    with translated(fs, path, "written"), write(fs, path) as file:
        yield file


@contextmanager
def _local(_: AbstractFileSystem, path: str) -> Iterator[BinaryIO]:
    with whole_file(Path(path)) as whole, whole.open("xb") as file:
        yield file


@contextmanager
def _remote(fs: AbstractFileSystem, path: str) -> Iterator[BinaryIO]:
    # Not a `with` of the file's own: fsspec completes an upload on the way out of an exception too.
    file: Any = fs.open(path, "wb", autocommit=False)
    done = False
    try:
        yield file
        file.close()
        file.commit()
        done = True
    finally:
        if not done:
            file.discard()
            file.closed = True  # nothing is left for the garbage collector to complete
