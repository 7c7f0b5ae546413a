"""Turn a tar, compressed or not, into its members' headers and bytes; nothing is ever extracted.

The one reader of tars, on Python's tarfile, which alone would do harm: it takes garbage for the
end, stops at the first end mark of several (`cat a.tar b.tar`), reads names of any length into
memory, and keeps every header. Members are found by name again as they were named when labelled,
so names are made text here and nowhere else.
"""

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, BinaryIO, cast

from pipeline.inputs.address import text_of

# Long names and extended attributes: GNU tar's longest path is 4 KiB, macOS adds attributes of
# some 100 KiB. A hostile header may claim the whole shard as one name.
_MAX_HEADER_BYTES = 2**20

_INFLATERS: tuple[tuple[bytes, Callable[[BinaryIO], io.BufferedIOBase]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file, mode="rb")),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
)
_NO_TARS = (
    (b"PK\3\4", "a zip archive"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"\x04\x22\x4d\x18", "compressed by lz4"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
)
# What the three inflaters raise for damaged streams; OSError only where it carries no errno.
_BAD_STREAM = (EOFError, zlib.error, lzma.LZMAError, OSError)


class Damage(Exception):
    """The tar cannot be read on from `offset`; `member` is the name there, or "" if unknown."""

    def __init__(self, message: str, offset: int, member: str = "") -> None:
        super().__init__(message)
        self.offset, self.member = offset, member


class Archive:
    """An open file of one or more tars, one behind the other."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        """Look at the first bytes of a file of `size` bytes."""
        start = file.read(8)
        file.seek(0)
        self._other = next((name for magic, name in _NO_TARS if start.startswith(magic)), None)
        inflate = next((make for magic, make in _INFLATERS if start.startswith(magic)), None)
        self.compressed = inflate is not None
        self._file = _Stream(inflate(file)) if inflate else file
        # How long the contents of a stream are is known at its end only.
        self._size = None if inflate else size

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Yield every member but folders, of all tars. Raises Damage for whatever is no proper end.

        An offset counts in the contents of a compressed file, and can be read by `read` alone.
        """
        if self._other is not None:
            raise Damage(f"{self._other}; wanted a tar, plain or of gzip, bzip2 or xz", 0)
        start: int | None = 0
        while start is not None:
            end = yield from self._members_of_one(start)
            start = self._next_start(end)

    def read(self, member: tarfile.TarInfo, most: int | None = None) -> bytes:
        """Return a member's bytes, or its first ones. Raises Damage, and OSError of the storage."""
        wanted = member.size if most is None else min(member.size, most)
        try:
            self._file.seek(member.offset_data)
            data = self._file.read(wanted)
        except _BadStream as error:
            raise Damage(str(error), member.offset, member.name) from error
        if len(data) == wanted:
            return data
        if self.compressed:
            raise Damage(f"{member.name} is cut off", member.offset, member.name)
        raise OSError(f"{len(data)} of {wanted} bytes of {member.name}: the file shrank")

    def _members_of_one(self, start: int) -> Iterator[tarfile.TarInfo]:
        """Yield the members up to the next end mark, and return where that is."""
        offset = start
        self._file.seek(start)
        try:
            with tarfile.open(
                fileobj=cast(IO[bytes], _Headers(self._file)),
                mode="r:",
                encoding="utf-8",
                errors="surrogateescape",
                tarinfo=_StrictMember,
            ) as tar:
                while (member := tar.next()) is not None:
                    # tarfile keeps every header it has read; a shard may have millions.
                    tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue]  # untyped
                    member.name = text_of(member.name)
                    self._check(member, tar.offset, offset)
                    offset = tar.offset
                    if not member.isdir():
                        yield member
                return tar.offset
        # Numbers of a header that tarfile computes with raise ValueError, IndexError or
        # OverflowError; a chain of extension headers, which it follows by calling itself,
        # RecursionError.
        except (
            tarfile.TarError,
            ValueError,
            IndexError,
            OverflowError,
            RecursionError,
            _NotAHeader,
            _BadStream,
        ) as error:
            raise Damage(str(error), offset) from error

    def _check(self, member: tarfile.TarInfo, end: int, before: int) -> None:
        stored = 0 if member.issparse() else member.size
        if end <= before or member.size < 0:
            raise Damage("a header that leads backwards", before)
        if self._size is None:
            return
        if max(member.offset_data + stored, end - tarfile.BLOCKSIZE) > self._size:
            raise Damage(f"{member.name} is cut off", member.offset, member.name)

    def _next_start(self, end: int) -> int | None:
        """Return where the first block behind an end mark is that is not zero."""
        try:
            self._file.seek(end)
            while zeros := self._file.read(2**20):
                rest = len(zeros.lstrip(b"\0"))
                if rest:
                    return end + (len(zeros) - rest) // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
                end += len(zeros)
        except _BadStream as error:
            raise Damage(str(error), end) from error
        return None


class _BadStream(Exception):
    """Compressed bytes that cannot be inflated."""


class _Stream:
    """A compressed file whose damage has one name, as the storage's trouble has its own."""

    def __init__(self, file: io.BufferedIOBase) -> None:
        self._file = file
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        try:
            return self._file.read(size)
        except _BAD_STREAM as error:
            raise _of_stream(error) from error

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._file.seek(offset, whence)
        except _BAD_STREAM as error:
            raise _of_stream(error) from error


def _of_stream(error: Exception) -> Exception:
    if isinstance(error, OSError) and error.errno is not None:
        return error
    return _BadStream(f"a compressed stream that cannot be read on: {error}")


class _NotAHeader(Exception):
    """Bytes where a header should be; no HeaderError, which tarfile would swallow."""


class _StrictMember(tarfile.TarInfo):
    """A header that says so when it is none: tarfile alone takes garbage for the archive's end."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> "_StrictMember":
        try:
            return super().fromtarfile(tarfile)
        except _END_MARK:
            raise
        except _HEADER_ERROR as error:
            raise _NotAHeader(str(error)) from error


# Here, as inside fromtarfile its parameter hides the module.
_END_MARK = tarfile.EOFHeaderError  # pyright: ignore[reportAttributeAccessIssue]  # not in typeshed
_HEADER_ERROR = tarfile.HeaderError


class _Headers:
    """The file as tarfile sees it: it reads headers alone, and none without a bound."""

    def __init__(self, file: BinaryIO | _Stream) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_HEADER_BYTES:
            raise _NotAHeader(f"a header of {size} bytes; wanted {_MAX_HEADER_BYTES} at most")
        return self._file.read(size)
