"""Read a commit as images, each with its number, its file name and its wanted masks.

Numbers follow from what never moves. A unit keeps its images for good, so they are numbered within
it by id, rejected ones among them, and units follow each other in the plan's order: a retry that
labels a rejected image, or inputs that grow, shift no number. Each image has room for every mask
that the job may give it, so a mask's number follows from its image's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from pycocotools import mask as coco_mask

from pipeline.export.file_name import coco_names, file_name
from pipeline.export.reviewed import counting, is_settled
from pipeline.export.selection import Selection
from pipeline.output.committed import read_all_rows, read_committed, read_rejected
from pipeline.output.share import cut_commit
from pipeline.output.verdicts import Key, read_verdicts
from pipeline.storage.place import Place
from schemas.errors import BadInput, BadStorage
from schemas.job.reference import Category
from schemas.job.storage import Storage
from schemas.record.commit import Commit, Identity, Part

COLUMNS = [
    "image_id", "uri", "height", "width", "exif_orientation", "category_id", "status", "rle_counts",
    "box_xywh", "area_px", "score", "instance_id", "decision",
]  # fmt: skip

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Mask:
    """A wanted mask: one category of an image, or one object of it."""

    number: int
    category: Category
    rle_counts: str
    box_xywh: Sequence[float]
    area_px: int
    score: float

    def pixels(self, size_HW: tuple[int, int]) -> np.ndarray:
        """Return the mask as bool [H, W]."""
        runs: Any = {"size": list(size_HW), "counts": self.rle_counts.encode("ascii")}
        return coco_mask.decode(runs).astype(bool)


@dataclass(frozen=True)
class LabelledImage:
    """An image with labels, if only empty ones; sizes and masks are of the image as displayed."""

    number: int  # COCO's own for a COCO source
    image_id: str
    file_name: str
    uri: str
    size_HW: tuple[int, int]
    exif_orientation: int
    masks: Sequence[Mask]
    settled: bool = True  # False: left out, as people have not said enough of it


@dataclass(frozen=True)
class RejectedImage:
    """An image that has no labels, and why."""

    number: int
    image_id: str
    file_name: str
    uri: str
    reason: str
    message: str


Image = LabelledImage | RejectedImage


@dataclass(frozen=True)
class Labels:
    """The wanted labels of a commit, which are read a part at a time."""

    output: Place
    commit: Commit  # of the wanted share of its parts
    identity: Identity
    categories: Sequence[Category]
    selection: Selection
    images_before: int  # in the shares before
    names: Mapping[str, str]  # of a COCO source's images
    verdicts: Mapping[Key, Row]  # none unless the selection asks for them

    @classmethod
    def open(cls, output_uri: str, storage: Storage, selection: Selection) -> "Labels":
        """Raises BadInput for a selection that the labels do not have, BadStorage: no commit."""
        output = Place.open(output_uri, storage)
        whole, identity = read_committed(output)
        selection.check(identity, output_uri)
        categories = selection.chosen(whole)
        cut = cut_commit(whole, selection.share)
        names = coco_names(output, identity)
        verdicts = read_verdicts(output, whole.fingerprint) if selection.reviewed else {}
        before = cut.before.images
        return cls(output, cut.commit, identity, categories, selection, before, names, verdicts)

    def images(self) -> Iterator[Image]:
        """Yield the images in the order of their numbers, or of their units for a COCO source.

        Raises BadStorage for a part that is not the one that was committed.
        """
        for _, _, images in self.parts():
            yield from images

    def parts(self) -> Iterator[tuple[Part, pa.Table, list[Image]]]:
        """Yield each part with all its rows (LABEL_SCHEMA) and its images."""
        count = self.images_before
        for part in self.commit.parts:
            alone = self.commit.model_copy(update={"parts": (part,)})
            (table,) = read_all_rows(self.output, alone)
            yield part, table, list(self._images(part, table, count))
            count += part.images

    def _images(self, part: Part, table: pa.Table, count: int) -> Iterator[Image]:
        rows = table.select(COLUMNS).to_pylist()
        found = {key: list(own) for key, own in groupby(rows, key=lambda row: row["image_id"])}
        rejected = {
            row["image_id"]: row
            for faults in read_rejected(self.output, (part,))
            for row in faults.to_pylist()
        }
        order = sorted(
            {*found, *rejected}, key=_coco_id if self.identity.source == "coco" else None
        )
        if len(order) != part.images:
            raise BadStorage(
                "a part whose rows are of another number of images than it counts",
                self.output.below(part.path).uri,
                f"{len(order)}",
                f"{part.images}",
            )
        for place, image_id in enumerate(order, start=count + 1):
            if image_id in found:
                yield self._labelled(place, found[image_id])
            else:
                yield self._rejected(place, rejected[image_id])

    def _labelled(self, place: int, rows: Sequence[Row]) -> LabelledImage:
        first = rows[0]
        wanted = {category.id for category in self.categories}
        reviewed, own = self.selection.reviewed, [r for r in rows if r["category_id"] in wanted]
        return LabelledImage(
            number=self._number(place, first),
            image_id=first["image_id"],
            file_name=self._file_name(first),
            uri=first["uri"],
            size_HW=(first["height"], first["width"]),
            exif_orientation=first["exif_orientation"],
            masks=tuple(self._masks(place, [counting(row, self.verdicts) for row in own])),
            settled=reviewed is None or is_settled(own, self.verdicts, reviewed),
        )

    def _rejected(self, place: int, row: Row) -> RejectedImage:
        number, name = self._number(place, row), self._file_name(row)
        return RejectedImage(
            number, row["image_id"], name, row["uri"], row["reason"], row["message"]
        )

    def _masks(self, place: int, rows: Sequence[Row]) -> Iterator[Mask]:
        wanted = {category.id: category for category in self.categories}
        most = int(self.identity.fields["instances.most"]) if self.selection.instances else 1
        first = {c.id: i * most for i, c in enumerate(self.commit.categories)}
        before = (place - 1) * len(first) * most
        for row in rows:
            if self.selection.wants(row):
                yield Mask(
                    number=before + first[row["category_id"]] + (row["instance_id"] or 1),
                    category=wanted[row["category_id"]],
                    rle_counts=row["rle_counts"],
                    box_xywh=row["box_xywh"],
                    area_px=row["area_px"],
                    score=row["score"],
                )

    def _file_name(self, row: Row) -> str:
        return file_name(row["image_id"], row["uri"], self.identity.source, self.names)

    def _number(self, place: int, row: Row) -> int:
        return _coco_id(row["image_id"]) if self.identity.source == "coco" else place


def _coco_id(image_id: str) -> int:
    try:
        return int(image_id)
    except ValueError as error:
        raise BadInput(
            "an image id that COCO tools cannot use",
            "images of a COCO source",
            image_id,
            "a number",
        ) from error
