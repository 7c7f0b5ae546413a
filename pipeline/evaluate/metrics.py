"""Counts of episodes become one number: the papers' scores, and those of absent objects and video.

Arrays are columns of COUNTS_SCHEMA, of one method and one way of giving references.
"""

from collections.abc import Callable, Mapping

import numpy as np

from model.scores.metrics import (
    FALSE_MASK_SHARE,
    Overlaps,
    false_mask_rate,
    foreground_background_iou,
    iou_by_class,
    mean_iou,
    presence_auroc,
    presence_threshold,
)
from model.scores.presence import false_masks_at_recall

Arrays = Mapping[str, np.ndarray]
Score = Callable[[Arrays], float]


def _overlaps(rows: Arrays, prefix: str, background: bool = True) -> Overlaps:
    """Take the counts of positives; a metric that needs no background is given zeros."""
    shown = ~rows["negative"]
    none = np.zeros(int(shown.sum()), np.int64)

    def column(name: str) -> np.ndarray:
        return rows[f"{prefix}{name}_px"][shown]

    return Overlaps(
        rows["category_id"][shown],
        column("intersection"),
        column("union"),
        column("background_intersection") if background else none,
        column("background_union") if background else none,
    )


def _false_masks(rows: Arrays) -> float:
    share = rows["predicted_px"] / np.maximum(rows["image_px"], 1)
    return false_mask_rate(share[rows["negative"]] > FALSE_MASK_SHARE)


def _of_presence(value: Callable[[np.ndarray, np.ndarray], float]) -> Score:
    """Return a score of how methods tell absent objects, from what says so and what is true."""

    def score_of(rows: Arrays) -> float:
        # SAM's predicted IoU stands in for methods that do not search for the object.
        silent = np.isnan(rows["presence"]).any()
        return value(rows["score"] if silent else rows["presence"], ~rows["negative"])

    return score_of


def _everything(rows: Arrays) -> float:
    """Return the mIoU, at own resolution, of masks that cover every pixel: what costs nothing."""
    shown = ~rows["negative"]
    truth_px = rows["union_px"] + rows["intersection_px"] - rows["predicted_px"]
    none = np.zeros(int(shown.sum()), np.int64)
    return mean_iou(
        Overlaps(rows["category_id"][shown], truth_px[shown], rows["image_px"][shown], none, none)
    )


def _of_objects(value: Callable[[Arrays], np.ndarray]) -> Score:
    """Return DAVIS's mean: over an object's frames, then over objects; NaN for other data sets."""

    def score_of(rows: Arrays) -> float:
        if not len(rows["contour_f"]) or np.isnan(rows["contour_f"]).any():
            return float("nan")
        of_frames = value(rows)
        objects = np.unique(rows["category_id"])
        means = [of_frames[rows["category_id"] == number].mean() for number in objects]
        return float(np.mean(means))

    return score_of


def _region(rows: Arrays) -> np.ndarray:
    """Return DAVIS's J of each frame: the IoU, and 1 where both masks are empty.

    Perazzi et al. 2016, section 4; the empty case as the benchmark's 2017 edition counts it.
    """
    empty = rows["union_px"] == 0
    return np.where(empty, 1.0, rows["intersection_px"] / np.maximum(rows["union_px"], 1))


METRICS: dict[str, Score] = {
    "miou_grid": lambda rows: mean_iou(_overlaps(rows, "grid_")),
    "miou": lambda rows: mean_iou(_overlaps(rows, "")),
    "fb_iou_grid": lambda rows: foreground_background_iou(_overlaps(rows, "grid_")),
    "fb_iou": lambda rows: foreground_background_iou(_overlaps(rows, "")),
    "boundary_iou": lambda rows: mean_iou(_overlaps(rows, "boundary_", background=False)),
    "miou_of_everything": _everything,
    "false_mask_rate": _false_masks,
    "presence_auroc": _of_presence(presence_auroc),
    "presence_threshold": _of_presence(presence_threshold),
    "false_masks_at_95_recall": _of_presence(false_masks_at_recall),
    "davis_j": _of_objects(_region),
    "davis_f": _of_objects(lambda rows: rows["contour_f"]),
    "davis_j_and_f": _of_objects(lambda rows: (_region(rows) + rows["contour_f"]) / 2),
}
OF_CATEGORY: dict[str, Callable[[Arrays], Mapping[int, float]]] = {
    "iou_grid": lambda rows: iou_by_class(_overlaps(rows, "grid_")),
    "iou": lambda rows: iou_by_class(_overlaps(rows, "")),
    "boundary_iou": lambda rows: iou_by_class(_overlaps(rows, "boundary_", background=False)),
}
