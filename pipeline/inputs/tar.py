"""Turn a tar into images by the WebDataset rule, and into faults where there is none.

Members belong to one sample while they follow each other with the same key: the path up to the
first dot of the file name. The sample's image is the member whose whole extension is an image's
(`a.jpg`); where there is none, the one whose extension ends in one (`a.v2.jpg`). Beside `a.jpg`,
`a.seg.png` is another field of the sample and not an image. Names without an extension and hidden
names belong to no sample. Nothing is ever extracted to a path.

Headers are tarfile's to read; what counts as the end is ours, because tarfile takes garbage for
it: of three images with a damaged second header it lists one and says nothing, where this reader
ends with a fault that names the byte.
"""

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, BinaryIO, cast

from pipeline.inputs.formats import image_suffixes
from schemas.errors import ImageRejected

# Long names and extended attributes: GNU tar's longest path is 4 KiB, macOS adds attributes of
# some 100 KiB. A hostile header may claim the whole shard as one name.
_MAX_HEADER_BYTES = 2**20


@dataclass(frozen=True)
class TarImage:
    """An image of a tar, or a fault in its place; `data` is b"" for a fault and when not wanted."""

    key: str  # WebDataset's; @offset for a fault that belongs to no sample
    member: str
    data: bytes
    fault: ImageRejected | None = None


def read_tar(
    file: BinaryIO, size: int, max_bytes: int, wanted: Callable[[int], bool]
) -> Iterator[TarImage]:
    """Yield the images and faults of a tar of `size` bytes, front to back in one pass.

    The bytes of the n-th are read only if `wanted(n)`; a key may come again. A tar that cannot be
    read on ends with one `truncated-shard` fault. Raises OSError and BadStorage as the file does.
    """
    count = 0

    def load(member: tarfile.TarInfo) -> bytes:
        if not wanted(count):
            return b""
        file.seek(member.offset_data)
        data = file.read(member.size)
        if len(data) != member.size:
            raise OSError(f"{len(data)} of {member.size} bytes of {member.name}: the file shrank")
        return data

    for image in _samples(file, size, max_bytes, load):
        yield image
        count += 1


@dataclass
class _Sample:
    """What has come of one key."""

    key: str
    has_image: bool = False
    spare: list[TarImage] = field(default_factory=list)  # of compound extensions
    extensions: set[str] = field(default_factory=set)

    def end(self) -> list[TarImage]:
        """Return what is left to yield when the next key begins."""
        if not self.key or self.has_image:
            return []
        if self.spare:
            return self.spare
        seen = ", ".join(sorted(self.extensions)[:8])
        fault = ImageRejected("no-image", f"a sample of {seen}; wanted an image, such as .jpg")
        return [TarImage(self.key, self.key, b"", fault)]


class _Damage(Exception):
    """The tar cannot be read on from `offset`; `member` is the name there, or "" if unknown."""

    def __init__(self, message: str, offset: int, member: str = "") -> None:
        super().__init__(message)
        self.offset, self.member = offset, member


def _samples(
    file: BinaryIO, size: int, max_bytes: int, load: Callable[[tarfile.TarInfo], bytes]
) -> Iterator[TarImage]:
    sample = _Sample("")
    try:
        for member in _members(file, size):
            key, extension = _split_name(member.name)
            unsafe = _unsafe(member)
            if unsafe or key != sample.key:
                yield from sample.end()
                sample = _Sample("" if unsafe else key)
            if unsafe:
                yield TarImage(f"@{member.offset}", member.name, b"", unsafe)
            elif key:
                yield from _add(sample, member, extension, max_bytes, load)
    except _Damage as damage:
        key, _ = _split_name(damage.member)
        if key != sample.key:
            yield from sample.end()
            sample = _Sample(key)
        owner = f"@{damage.offset}" if sample.has_image or not key else key
        message = f"the tar of {size} bytes cannot be read on from byte {damage.offset}: {damage}"
        yield TarImage(owner, damage.member, b"", ImageRejected("truncated-shard", message))
    else:
        yield from sample.end()


def _add(
    sample: _Sample,
    member: tarfile.TarInfo,
    extension: str,
    max_bytes: int,
    load: Callable[[tarfile.TarInfo], bytes],
) -> Iterator[TarImage]:
    sample.extensions.add(extension)
    whole = extension in image_suffixes()
    if not whole and (sample.has_image or extension.rpartition(".")[2] not in image_suffixes()):
        return
    fault = _unreadable(member, max_bytes)
    # Of several compound extensions the first counts; the others' bytes are never held.
    skipped = fault or (sample.spare and not whole)
    image = TarImage(sample.key, member.name, b"" if skipped else load(member), fault)
    if whole:
        sample.has_image = True
        yield image
    else:
        sample.spare.append(image)


def _split_name(name: str) -> tuple[str, str]:
    """Split a member's name into key and lower-case extension; both "" if it has none."""
    folder, slash, file_name = name.removeprefix("./").rpartition("/")
    stem, _, extension = file_name.partition(".")
    return (folder + slash + stem, extension.lower()) if stem and extension else ("", "")


def _unsafe(member: tarfile.TarInfo) -> ImageRejected | None:
    if not member.isreg():
        kind = "a link" if member.issym() or member.islnk() else "a device or special file"
        return ImageRejected("unsafe-name", f"{member.name} is {kind}, not a file")
    if member.name.startswith("/") or ".." in member.name.split("/"):
        return ImageRejected("unsafe-name", f"{member.name} lies outside the archive's folder")
    return None


def _unreadable(member: tarfile.TarInfo, max_bytes: int) -> ImageRejected | None:
    if member.size > max_bytes:
        message = f"{member.size} bytes; the job's limit is {max_bytes}"
        return ImageRejected("too-large", message)
    if member.issparse():
        return ImageRejected("decode", "a sparse member; wanted the image stored whole")
    return None


def _members(file: BinaryIO, size: int) -> Iterator[tarfile.TarInfo]:
    """Yield every member but folders. Raises _Damage for whatever is no proper end."""
    offset = 0
    try:
        with tarfile.open(
            fileobj=cast(IO[bytes], _Headers(file)),
            mode="r:",
            encoding="utf-8",
            errors="backslashreplace",  # not surrogates, which no Parquet text can hold
            tarinfo=_StrictMember,
        ) as tar:
            while (member := tar.next()) is not None:
                # tarfile keeps every header it has read; a shard may have millions.
                tar.members.clear()  # pyright: ignore[reportAttributeAccessIssue]  # not in typeshed
                stored = 0 if member.issparse() else member.size
                if tar.offset <= offset or member.size < 0:
                    raise _Damage("a header that leads backwards", offset)
                if max(member.offset_data + stored, tar.offset - tarfile.BLOCKSIZE) > size:
                    raise _Damage(f"{member.name} is cut off", member.offset, member.name)
                offset = tar.offset
                if not member.isdir():
                    yield member
    # Numbers of a header that tarfile computes with raise ValueError, IndexError or OverflowError;
    # a chain of extension headers, which it follows by calling itself, RecursionError.
    except (
        tarfile.TarError,
        ValueError,
        IndexError,
        OverflowError,
        RecursionError,
        _NotAHeader,
    ) as error:
        raise _Damage(str(error), offset) from error


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

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_HEADER_BYTES:
            raise _NotAHeader(f"a header of {size} bytes; wanted {_MAX_HEADER_BYTES} at most")
        return self._file.read(size)
