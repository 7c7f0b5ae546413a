"""Turn a tar into images by the WebDataset rule, and into faults where there is none.

Members belong to one sample while they have the same key, wherever in the tar they lie: the path
up to the first dot of the file name. Every member with an image's suffix is an image, and its id is
its path without that suffix (`IMG.jpg` and `IMG.1.jpg` are two), but for those whose suffix names
another field of the sample: beside `a.jpg` or alone, `a.seg.png` is a mask and never the image. A
key of which no image came is a fault, told at the end of the tar. A name without a suffix is an
image if its bytes begin as one.
"""

import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.images.decode import begins_as_image
from pipeline.images.formats import READ_WITH, image_suffixes, is_installed, suffix_of, why_not_read
from pipeline.inputs.archive import Archive, Damage
from schemas.errors import ImageRejected

# Raised by whoever changes which images come of a tar, under which ids, or in which order: a tar
# begun by one rule cannot be finished by another. 2: 2026-11, ids keep every dot; 3: a field's name
# has no space, and what is cut off in a stream is met whichever images are wanted.
READING = 3

# What data sets call a sample's other pictures: "seg" of 003.seg.png, "depth16" of 014.depth16.png.
_OTHER_FIELDS = frozenset(
    {"alpha", "ann", "anno", "annot", "annotation", "annotations", "canny", "depth", "disp"}
    | {"disparity", "edge", "edges", "flow", "gt", "groundtruth", "heatmap", "hed", "inst"}
    | {"instance", "instances", "keypoints", "label", "labelids", "labelmap", "labels", "mask"}
    | {"masks", "matte", "normal", "normals", "panoptic", "parsing", "saliency", "seg", "segm"}
    | {"segmap", "segmentation", "segs", "sem", "semantic", "semseg", "target", "trimap"}
)
_FIELD = re.compile("[a-z0-9_-]+")  # no space: `St. Gallen edge.jpg` is a photo
_WORD = re.compile("[a-z]+")
_MOST_SUFFIXES = 8  # of a sample without an image, in its message


@dataclass(frozen=True)
class TarImage:
    """An image of a tar, or a fault in its place; `data` is b"" for a fault and when not wanted."""

    key: str  # the image's id in its tar; @offset for a fault that belongs to no sample
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
    archive = Archive(file, size)
    samples = _Samples()
    count = 0
    try:
        for member in archive.members():
            image = _image(archive, member, samples)
            if image is None:
                continue
            fault = image.fault or _unreadable(member, max_bytes)
            is_wanted, data = wanted(count), b""
            # That a stream ends within a member is met by reading it, and must always be met.
            if not fault and (is_wanted or archive.compressed):
                data = archive.read(member)
            yield TarImage(image.key, image.member, data if is_wanted else b"", fault)
            count += 1
    except Damage as damage:
        owner = samples.owner_of(damage.member) or f"@{damage.offset}"
        yield from samples.without_image()
        message = f"the tar of {size} bytes cannot be read on from byte {damage.offset}: {damage}"
        yield TarImage(owner, damage.member, b"", ImageRejected("truncated-shard", message))
    else:
        yield from samples.without_image()


class _Samples:
    """The keys seen, and of those without an image yet the suffixes."""

    def __init__(self) -> None:
        self._with_image: set[str] = set()
        self._without: dict[str, set[str]] = {}

    def add(self, key: str, suffix: str, *, is_image: bool) -> None:
        """Count a member in."""
        if is_image:
            self._with_image.add(key)
            self._without.pop(key, None)
        elif key not in self._with_image:
            self._without.setdefault(key, set()).add(suffix)

    def owner_of(self, member: str) -> str:
        """Return the key of a member whose sample has no image yet, else "", and forget it."""
        key, _ = _split_name(cleaned(member))
        if key in self._with_image:
            return ""
        self._without.pop(key, None)
        return key

    def without_image(self) -> Iterator[TarImage]:
        """Yield a fault for each key no image came of, in the order they were seen first."""
        for key, suffixes in self._without.items():
            seen = ", ".join(f".{suffix}" for suffix in sorted(suffixes)[:_MOST_SUFFIXES])
            message = (
                f"a sample of {seen}; wanted an image, such as .jpg, that names no other field"
            )
            last_parts = {suffix.rpartition(".")[2] for suffix in suffixes}
            for last in sorted(last_parts & READ_WITH.keys()):
                if not is_installed(last):
                    message += f"; .{last}: {why_not_read(last)}"
            yield TarImage(key, key, b"", ImageRejected("no-image", message))


def _image(archive: Archive, member: tarfile.TarInfo, samples: _Samples) -> TarImage | None:
    """Return a member's image or fault, still without bytes; None if it is neither."""
    if unsafe := _unsafe(member):
        return TarImage(f"@{member.offset}", member.name, b"", unsafe)
    name = cleaned(member.name)
    key, extension = _split_name(name)
    suffix = suffix_of(name)
    if not key:
        return _image_without_key(archive, member, name, samples)
    is_image = suffix in image_suffixes() and not _names_other_field(extension)
    samples.add(key, extension, is_image=is_image)
    if not is_image:
        return None
    return TarImage(name[: -len(suffix) - 1], member.name, b"")


def _image_without_key(
    archive: Archive, member: tarfile.TarInfo, name: str, samples: _Samples
) -> TarImage | None:
    """Look into a file without a suffix; a hidden image is a fault, as nothing else tells of it."""
    if _hidden(name):
        suffix = suffix_of(name)
        # macOS puts `._a.jpg`, a file's attributes, beside every `a.jpg`.
        if suffix not in image_suffixes() or "/._" in f"/{name}":
            return None
        fault = ImageRejected("no-image", "a hidden name, which is passed over as in a folder")
        return TarImage(name[: -len(suffix) - 1], member.name, b"", fault)
    if not begins_as_image(archive.read(member, most=16)):
        return None
    samples.add(name, "", is_image=True)
    return TarImage(name, member.name, b"")


def cleaned(name: str) -> str:
    """Return a member's name as ids have it."""
    return name.removeprefix("./").rstrip()


def _split_name(name: str) -> tuple[str, str]:
    """Split a member's name into key and lower-case extension; both "" if it has none."""
    folder, slash, file_name = name.rpartition("/")
    stem, _, extension = file_name.partition(".")
    if not stem or not extension or _hidden(name):
        return "", ""
    return folder + slash + stem, extension.lower()


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX/")) or "/." in name


def _names_other_field(extension: str) -> bool:
    *middle, _ = extension.split(".")
    fields = [part for part in middle if _FIELD.fullmatch(part)]
    return any(not _OTHER_FIELDS.isdisjoint(_WORD.findall(field)) for field in fields)


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
