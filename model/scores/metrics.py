"""Predicted and true masks become the scores that few-shot papers print.

Letters beyond those of model/segmenter.py: E pairs of a prediction and its truth, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Overlap:
    """Pixels of one prediction against its truth: of the object, and of what is around it."""

    intersection_px: int
    union_px: int
    background_intersection_px: int
    background_union_px: int


def overlap(
    predicted_HW: np.ndarray, truth_HW: np.ndarray, ignored_HW: np.ndarray | None = None
) -> Overlap:
    """Count the pixels of two bool masks of one size; those where ignored is True count nowhere."""
    if predicted_HW.shape != truth_HW.shape:
        raise ValueError(f"a prediction of {predicted_HW.shape} for a truth of {truth_HW.shape}")
    counted = np.ones(truth_HW.shape, dtype=bool) if ignored_HW is None else ~ignored_HW
    pixels = int(np.count_nonzero(counted))
    predicted = int(np.count_nonzero(predicted_HW & counted))
    truth = int(np.count_nonzero(truth_HW & counted))
    both = int(np.count_nonzero(predicted_HW & truth_HW & counted))
    either = predicted + truth - both
    return Overlap(both, either, pixels - either, pixels - both)


@dataclass(frozen=True)
class Overlaps:
    """The pixel counts of E pairs, and the class of each: int64 [E] all."""

    classes_E: np.ndarray
    intersection_E: np.ndarray
    union_E: np.ndarray
    background_intersection_E: np.ndarray
    background_union_E: np.ndarray

    def chosen(self, indices: np.ndarray) -> "Overlaps":
        """Return the pairs at these indices, repeated as the indices are."""
        return Overlaps(
            self.classes_E[indices],
            self.intersection_E[indices],
            self.union_E[indices],
            self.background_intersection_E[indices],
            self.background_union_E[indices],
        )


def gather(classes: Sequence[int], overlaps: Sequence[Overlap]) -> Overlaps:
    """Put the counts of many pairs side by side."""
    rows = [
        (
            number,
            pair.intersection_px,
            pair.union_px,
            pair.background_intersection_px,
            pair.background_union_px,
        )
        for number, pair in zip(classes, overlaps, strict=True)
    ]
    return Overlaps(*np.array(rows, dtype=np.int64).reshape(-1, 5).T)


def iou_by_class(pairs: Overlaps) -> dict[int, float]:
    """Return each class's sum of intersections by its sum of unions, in the order of the classes.

    A class without a pixel predicted or true has no IoU and is left out.
    """
    classes_C, place_E = np.unique(pairs.classes_E, return_inverse=True)
    intersection_C = np.bincount(place_E, pairs.intersection_E)
    union_C = np.bincount(place_E, pairs.union_E)
    return {
        int(number): float(intersection / union)
        for number, intersection, union in zip(classes_C, intersection_C, union_C, strict=True)
        if union > 0
    }


def mean_iou(pairs: Overlaps) -> float:
    """Return mIoU: the mean over a fold's classes of `iou_by_class`; NaN without any class."""
    return _mean(list(iou_by_class(pairs).values()))


def foreground_background_iou(pairs: Overlaps) -> float:
    """Return FB-IoU: the mean of foreground and background IoU, each summed over all classes."""
    sums = (
        (pairs.intersection_E.sum(), pairs.union_E.sum()),
        (pairs.background_intersection_E.sum(), pairs.background_union_E.sum()),
    )
    return _mean([float(both / either) for both, either in sums if either > 0])


def false_mask_rate(areas_px: Sequence[int] | np.ndarray, min_area_px: int = 1) -> float:
    """Return the share of predictions for absent objects that are masks; NaN without any.

    areas_px are the areas predicted in images that do not show the category.
    """
    areas = np.asarray(areas_px)
    return float(np.mean(areas >= min_area_px)) if len(areas) else float("nan")


def presence_auroc(scores_E: np.ndarray, present_E: np.ndarray) -> float:
    """Return how often an image with the object scores above one without; equal scores count half.

    The area under the ROC curve as the Mann-Whitney statistic. NaN unless both kinds are there.
    """
    present_E = np.asarray(present_E, dtype=bool)
    positives = int(np.count_nonzero(present_E))
    negatives = len(present_E) - positives
    if not positives or not negatives:
        return float("nan")
    _, place_E, count = np.unique(np.asarray(scores_E), return_inverse=True, return_counts=True)
    # Ranks from 1; equal scores share the mean of the ranks that they take up.
    rank = np.cumsum(count) - (count - 1) / 2
    above = rank[place_E][present_E].sum() - positives * (positives + 1) / 2
    return float(above / (positives * negatives))


def presence_threshold(scores_E: np.ndarray, present_E: np.ndarray) -> float:
    """Return the least score to take for presence: most of both kinds are then told rightly.

    The greatest sum of the two kinds' shares told rightly (Youden's J), the lowest of equal ones,
    half-way between two scores that occur. NaN unless both kinds are there.
    """
    scores_E, present_E = np.asarray(scores_E, float), np.asarray(present_E, dtype=bool)
    shown, absent = np.sort(scores_E[present_E]), np.sort(scores_E[~present_E])
    if not len(shown) or not len(absent):
        return float("nan")
    known = np.unique(scores_E)
    cuts = np.concatenate([known[:1], (known[1:] + known[:-1]) / 2])
    missed = np.searchsorted(shown, cuts) / len(shown)
    refused = np.searchsorted(absent, cuts) / len(absent)
    return float(cuts[np.argmax(refused - missed)])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


FALSE_MASK_SHARE = 0.01
"""A mask of more than this share of an image without the category is a false one."""
