"""Turn a stored object into a file that is read from front to back, or by seeking."""

import io
import os
from typing import TYPE_CHECKING, BinaryIO

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from pipeline.storage import read_bytes
from pipeline.storage_errors import translated, uri_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# One ranged GET; AWS's performance guide gives 8 to 16 MB for byte-range requests.
_BLOCK_BYTES = 8 * 2**20


def open_file(fs: AbstractFileSystem, path: str, size: int) -> BinaryIO:
    """Open a file of known size for buffered reading; a short answer is an OSError, never its end.

    So whoever reads knows that a file which ends early is itself too short.
    """
    if isinstance(fs, LocalFileSystem):
        with translated(fs, path, "read"):
            return open(path, "rb", buffering=2**20)
    return io.BufferedReader(_RangedFile(fs, path, size), _BLOCK_BYTES)


class _RangedFile(io.RawIOBase):
    """An object as a seekable raw file, where each read is one ranged request."""

    def __init__(self, fs: AbstractFileSystem, path: str, size: int) -> None:
        self._fs, self._path, self._size = fs, path, size
        self._position = 0

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
        wanted = max(0, min(memoryview(buffer).nbytes, self._size - self._position))
        if not wanted:
            return 0
        data = read_bytes(self._fs, self._path, self._position, self._position + wanted)
        if len(data) != wanted:
            raise OSError(
                f"{uri_of(self._fs, self._path)}: {len(data)} bytes from {self._position}, "
                f"wanted {wanted} of {self._size}"
            )
        memoryview(buffer)[:wanted] = data
        self._position += wanted
        return wanted

    def readall(self) -> bytes:
        # io's own asks for 8 KiB at a time, each a request here.
        data = bytearray(max(0, self._size - self._position))
        return bytes(memoryview(data)[: self.readinto(data)])
