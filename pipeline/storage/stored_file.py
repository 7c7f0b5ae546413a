"""Turn a stored object into a file, read from front to back with the next block under way."""

import errno
import io
import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from pipeline.storage.errors import translated, uri_of
from pipeline.storage.files import read_bytes

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# One ranged GET; AWS's performance guide gives 8 to 16 MB for byte-range requests.
_BLOCK_BYTES = 8 * 2**20


@dataclass
class Version:
    """Which of the objects that S3 held under one key a reading has met; None before it began."""

    etag: str | None = None


def open_file(fs: AbstractFileSystem, path: str, size: int) -> BinaryIO:
    """Open a file of known size for buffered reading, holding two blocks of 8 MiB at most.

    A short answer of the storage is an OSError with an errno and never the end of the file: so
    whoever reads knows that a file which ends early is itself too short. Raises BadStorage, also
    for an object that is replaced while it is read.
    """
    if isinstance(fs, LocalFileSystem):
        with translated(fs, path, "read"):
            return open(path, "rb", buffering=2**20)
    return io.BufferedReader(_Blocks(fs, path, size), 2**16)


def read_version(
    fs: AbstractFileSystem, path: str, start: int, end: int, version: Version
) -> bytes:
    """Read bytes start to end of a file; of S3 the object that earlier reads met, and no other."""
    if "s3" not in fs.protocol:
        return read_bytes(fs, path, start, end)
    with translated(fs, path, "read"):
        data = fs.cat_file(path, start=start, end=end, version=version)
    assert isinstance(data, bytes), "no file system here decodes text"
    return data


class _Blocks(io.RawIOBase):
    """An object as a seekable raw file, one ranged request a block."""

    def __init__(self, fs: AbstractFileSystem, path: str, size: int) -> None:
        self._fs, self._path, self._size = fs, path, size
        self._position = 0
        self._version = Version()
        self._blocks: dict[int, Future[bytes]] = {}
        self._thread = ThreadPoolExecutor(1)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if origin + offset < 0:
            raise ValueError(f"seek to {origin + offset}")
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        target = memoryview(buffer).cast("B")
        if self._position >= self._size:
            return 0
        number, offset = divmod(self._position, _BLOCK_BYTES)
        part = memoryview(self._block(number))[offset : offset + len(target)]
        target[: len(part)] = part
        self._position += len(part)
        return len(part)

    def readall(self) -> bytes:
        # io's own reads 8 KiB at a time.
        data = bytearray(max(0, self._size - self._position))
        filled = 0
        while count := self.readinto(memoryview(data)[filled:]):
            filled += count
        return bytes(data)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._blocks.clear()
        super().close()

    def _block(self, number: int) -> bytes:
        # The next block is fetched ahead only where a neighbour was read before: not on a jump.
        ahead = number + 1 if {number - 1, number} & self._blocks.keys() or not number else number
        kept = {n: block for n, block in self._blocks.items() if number <= n <= ahead}
        for n in range(number, ahead + 1):
            if n not in kept and n * _BLOCK_BYTES < self._size:
                kept[n] = self._thread.submit(self._fetch, n)
        self._blocks = kept
        return kept[number].result()

    def _fetch(self, number: int) -> bytes:
        start = number * _BLOCK_BYTES
        end = min(start + _BLOCK_BYTES, self._size)
        data = read_version(self._fs, self._path, start, end, self._version)
        if len(data) != end - start:
            raise OSError(
                errno.EIO,
                f"{len(data)} bytes from {start}, wanted {end - start} of {self._size}",
                uri_of(self._fs, self._path),
            )
        return data
