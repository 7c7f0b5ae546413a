"""What a dataset's layout is read into before it becomes an index: images, objects, problems."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from fsspec import AbstractFileSystem
from PIL import Image, UnidentifiedImageError

from pipeline.storage.files import open_filesystem, read_bytes
from schemas.dataset import ObjectState, ProblemReason
from schemas.errors import MissingFile
from schemas.label import Storage

LIST_THREADS = 16  # small reads that wait for storage
# Size and orientation stand before the pixels; EXIF with a thumbnail takes at most 64 KiB (APP1).
HEADER_BYTES = 2**17
SWAPPING_ORIENTATIONS = (5, 6, 7, 8)  # EXIF: displayed with rows and columns exchanged
# T.81, table B.1. Neither occurs inside a scan's data, so after the last start of a scan comes the
# end of the image, unless the file was cut off; a thumbnail's end comes before it.
JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"
UNREADABLE = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    OSError,
    SyntaxError,
    ValueError,
)
"""What Pillow raises for bytes that are not a whole image."""


@dataclass(frozen=True, slots=True)
class ImageRow:
    """A row of IMAGES_SCHEMA."""

    image_id: str
    image_uri: str
    height: int
    width: int
    range_start: int | None = None
    range_end: int | None = None
    crop_xyxy: tuple[int, int, int, int] | None = None
    sequence: str | None = None
    frame: int | None = None


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """A row of OBJECTS_SCHEMA that still names its image."""

    image_id: str
    category_id: int
    area_px: int
    state: ObjectState
    mask_rle: str | None = None
    mask_uri: str | None = None
    mask_value: int | None = None
    ignore_rle: str | None = None
    ignore_value: int | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A row of PROBLEMS_SCHEMA: a file or annotation the index leaves out, and why."""

    image_id: str
    uri: str
    reason: ProblemReason
    message: str


@dataclass(frozen=True)
class Listing:
    """A dataset, read. Categories are (id, name) in the order of the ids."""

    categories: Sequence[tuple[int, str]]
    images: Sequence[ImageRow]
    objects: Sequence[ObjectRow]
    problems: Sequence[Problem]
    exhaustive: bool


@dataclass(frozen=True)
class Place:
    """A file or folder: where it is for people, and where it is for its opened file system."""

    fs: AbstractFileSystem
    path: str
    uri: str

    @classmethod
    def open(cls, uri: str, storage: Storage) -> Self:
        """Open a URI's file system."""
        return cls(*open_filesystem(uri, storage), uri)

    def below(self, name: str) -> "Place":
        """Return the place of a path below this folder."""
        return Place(self.fs, f"{self.path.rstrip('/')}/{name}", f"{self.uri.rstrip('/')}/{name}")

    def at(self, uri: str) -> "Place":
        """Return the place of another URI of the same storage, without opening it again."""
        return Place(self.fs, str(self.fs._strip_protocol(uri)), uri)

    def read(self, end: int | None = None) -> bytes:
        """Return the first `end` bytes, or all. Raises MissingFile, BadStorage."""
        return read_bytes(self.fs, self.path, None if end is None else 0, end)


def measure_image(image: Place, image_id: str) -> tuple[int, int] | Problem:
    """Return an image's displayed height and width from its first bytes, or what is wrong."""
    try:
        head = image.read(HEADER_BYTES)
        try:
            return _displayed_size(head)
        except UNREADABLE:
            whole = image.read()
    except MissingFile as error:
        return Problem(image_id, image.uri, "missing-image", error.got)
    return _measured(whole, image, image_id)


def check_image(image: Place, image_id: str) -> tuple[int, int] | Problem:
    """Return an image's displayed height and width, read to its end: a cut-off file is a problem.

    Nothing is decoded, so that a dataset of 100,000 images is checked in minutes.
    """
    try:
        data = image.read()
    except MissingFile as error:
        return Problem(image_id, image.uri, "missing-image", error.got)
    if data.startswith(JPEG_START) and data.rfind(JPEG_END) < data.rfind(JPEG_SCAN):
        return Problem(image_id, image.uri, "unreadable-image", "the file ends in the picture")
    return _measured(data, image, image_id)


def _measured(data: bytes, image: Place, image_id: str) -> tuple[int, int] | Problem:
    try:
        return _displayed_size(data)
    except UNREADABLE as error:
        return Problem(image_id, image.uri, "unreadable-image", str(error))


def _displayed_size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as image:
        swapped = image.getexif().get(0x0112, 1) in SWAPPING_ORIENTATIONS
        return image.size if swapped else (image.height, image.width)
