"""What a dataset's layout is read into before it becomes an index: images, objects, problems."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.job.dataset import ObjectState, ProblemReason

LIST_THREADS = 16  # small reads that wait for storage


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
    image_bytes: int | None = None
    image_sha256: str | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width


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
    mask_sha256: str | None = None


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
