"""Compare committed labels with true masks: IoU, false masks, precision and recall."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pycocotools import mask as coco_mask

from model.scores.metrics import FALSE_MASK_SHARE
from pipeline.report.truth import Runs, Truth
from schemas.errors import BadInput
from schemas.job.reference import Category

MATCHED_IOU = 0.5
"""From here on a mask counts as found, as in COCO's and VOC's AP50."""

CURVE_STEPS = 1000
"""Scores are counted in steps of 1/1000, so that a curve of any collection takes 1000 numbers."""


class RowScores(NamedTuple):
    """How the rows of a table compare with the truth; arrays of one entry per row.

    judged: the truth knows the image and the category. shown: the object is there. Pixels of
    crowds are in neither sum.
    """

    judged: np.ndarray
    shown: np.ndarray
    intersection_px: np.ndarray
    union_px: np.ndarray

    @property
    def iou(self) -> np.ndarray:
        """Intersection over union, float; NaN where both masks are empty."""
        with np.errstate(invalid="ignore"):
            return self.intersection_px / self.union_px


@dataclass(frozen=True)
class CategoryScore:
    """One category's sums over the images that show it, and its masks where it is absent."""

    category: Category
    shown: int
    absent: int
    intersection_px: int
    union_px: int
    false_masks: int

    @property
    def iou(self) -> float | None:
        """Sum of intersections over sum of unions, None when no image shows the category."""
        return self.intersection_px / self.union_px if self.shown else None


@dataclass(frozen=True)
class Curve:
    """Precision and recall as the score falls; each array [points], recall never falling."""

    precision: np.ndarray
    recall: np.ndarray

    @property
    def average_precision(self) -> float:
        """The area under the steps of the curve."""
        return float(np.sum(np.diff(self.recall, prepend=0.0) * self.precision))


@dataclass(frozen=True)
class Scores:
    """What the labels are worth. presence: is the object there at all; masks: IoU 0.5 or more."""

    categories: tuple[CategoryScore, ...]
    presence: Curve
    masks: Curve
    unjudged_rows: int

    @property
    def miou(self) -> float | None:
        """Mean IoU of the categories that some image shows."""
        ious = [score.iou for score in self.categories if score.iou is not None]
        return sum(ious) / len(ious) if ious else None

    @property
    def false_mask_share(self) -> float | None:
        """Masks of more than 1 % of the image, among images and categories that are absent."""
        absent = sum(score.absent for score in self.categories)
        return sum(score.false_masks for score in self.categories) / absent if absent else None


class Scorer:
    """Adds up what each table's comparison says; holds sums only, never rows."""

    def __init__(self, categories: Sequence[Category], truth: Truth) -> None:
        self._categories = [c for c in categories if c.id in truth.categories]
        self._sums = {category.id: np.zeros(5, dtype=np.int64) for category in self._categories}
        self._predicted = np.zeros((3, CURVE_STEPS + 1), dtype=np.int64)
        self._unjudged = 0
        self._some_unknown = bool(truth.unknown)

    def add(self, table: pa.Table, rows: RowScores) -> None:
        """Count a table of label rows and their comparison."""
        category_ids = table["category_id"].to_numpy()
        area_px = table["area_px"].to_numpy()
        image_px = table["height"].to_numpy().astype(np.int64) * table["width"].to_numpy()
        false = rows.judged & ~rows.shown & (area_px > FALSE_MASK_SHARE * image_px)
        for category_id in self._sums:
            ours = rows.judged & (category_ids == category_id)
            shown = ours & rows.shown
            self._sums[category_id] += (
                np.count_nonzero(shown),
                np.count_nonzero(ours & ~rows.shown),
                rows.intersection_px[shown].sum(),
                rows.union_px[shown].sum(),
                np.count_nonzero(ours & false),
            )
        masked = rows.judged & (area_px > 0)
        steps = np.clip(table["score"].to_numpy() * CURVE_STEPS, 0, CURVE_STEPS).astype(np.intp)
        for kind, counted in enumerate(
            (masked, masked & rows.shown, masked & (rows.iou >= MATCHED_IOU))
        ):
            self._predicted[kind] += np.bincount(steps[counted], minlength=CURVE_STEPS + 1)
        self._unjudged += int(np.count_nonzero(~rows.judged))

    def scores(self) -> Scores:
        """Return the figures of all that was added. Raises BadInput if none of it is judged."""
        judged = any(sums.any() for sums in self._sums.values())
        if self._unjudged and not judged and not self._some_unknown:
            raise BadInput(
                "ground truth of other images",
                "the instances file",
                f"none of the images of {self._unjudged} labels",
                "the labelled images, by file name",
            )
        categories = tuple(
            CategoryScore(category, *map(int, self._sums[category.id]))
            for category in self._categories
        )
        shown = sum(score.shown for score in categories)
        predicted, present, matched = np.cumsum(self._predicted[:, ::-1], axis=1)
        return Scores(
            categories,
            _curve(predicted, present, shown),
            _curve(predicted, matched, shown),
            self._unjudged,
        )


def score_labels(
    tables: Iterable[pa.Table], categories: Sequence[Category], truth: Truth
) -> Scores:
    """Score label rows (LABEL_SCHEMA), one table in memory at a time. Raises BadInput."""
    scorer = Scorer(categories, truth)
    for table in tables:
        scorer.add(table, compare(table, truth))
    return scorer.scores()


def compare(table: pa.Table, truth: Truth) -> RowScores:
    """Compare each row of a table with the truth.

    Raises BadInput for an image whose size differs from the truth's.
    """
    columns = ["image_id", "category_id", "height", "width", "area_px", "rle_counts"]
    counted = np.zeros((4, table.num_rows), dtype=np.int64)
    for place, row in enumerate(table.select(columns).to_pylist()):
        image = truth.image(row["image_id"])
        if image is None or row["category_id"] not in truth.categories:
            continue
        if (image, row["category_id"]) in truth.unknown:
            continue
        size_HW = (row["height"], row["width"])
        if truth.sizes[image] != size_HW:
            raise BadInput(
                "ground truth of another size",
                row["image_id"],
                f"height and width {truth.sizes[image]}",
                f"{size_HW}, as labelled",
            )
        key = (image, row["category_id"])
        overlap = _overlap(row, truth.masks.get(key), truth.crowds.get(key))
        counted[:, place] = (1, key in truth.masks, *overlap)
    return RowScores(counted[0] > 0, counted[1] > 0, counted[2], counted[3])


def _overlap(row: Mapping[str, Any], true: Runs | None, crowd: Runs | None) -> tuple[int, int]:
    """Return intersection and union in pixels, those of crowds left out."""
    if not row["area_px"]:
        return 0, int(coco_mask.area(true)) if true else 0
    ours: Runs = {"size": [row["height"], row["width"]], "counts": row["rle_counts"].encode()}
    ours_px = row["area_px"]
    if crowd is not None:
        # An object drawn over a crowd stays an object: only the rest of the crowd is left out.
        outside = coco_mask.merge([ours, crowd], intersect=True)
        kept = coco_mask.merge([outside, true], intersect=True) if true else None
        ours_px -= int(coco_mask.area(outside)) - (int(coco_mask.area(kept)) if kept else 0)
    if true is None:
        return 0, ours_px
    shared_px = int(coco_mask.area(coco_mask.merge([ours, true], intersect=True)))
    return shared_px, ours_px + int(coco_mask.area(true)) - shared_px


def _curve(predicted: np.ndarray, right: np.ndarray, shown: int) -> Curve:
    """Precision and recall at each step where something is predicted; counts are cumulative."""
    new = np.diff(predicted, prepend=0) > 0
    return Curve(right[new] / predicted[new], right[new] / max(shown, 1))
