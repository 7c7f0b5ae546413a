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
from model.scores.presence import (
    calibration_error,
    false_masks_at_recall,
    risk_area,
    risk_coverage,
    says_there,
)
from model.scores.several_categories import all_right

RISK_AT = "risk_at_"
"""What begins the names of the risk-coverage curve's points; the coverage in per cent follows."""

RIGHT, ALL_RIGHT = "right", "all_right"
"""Columns made of the counts: whether a decision of presence is right, and all of its target."""

ACCURACY = "decision_accuracy"

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
        return value(_says_presence(rows), ~rows["negative"])

    return score_of


def _says_presence(rows: Arrays) -> np.ndarray:
    """Return the probability of presence where the job asked, else the method's own number.

    SAM's predicted IoU stands in for methods that do not search for the object.
    """
    for name in ("probability", "presence"):
        if not np.isnan(rows[name].astype(float)).any():
            return rows[name]
    return rows["score"]


def _of_probability(value: Callable[[np.ndarray, np.ndarray], float]) -> Score:
    """Return a score of probabilities of presence; NaN where none were asked for."""

    def score_of(rows: Arrays) -> float:
        probability, present = rows["probability"].astype(float), ~rows["negative"]
        if np.isnan(probability).any() or present.all() or not present.any():
            return float("nan")
        return value(probability, present)

    return score_of


def with_decisions(rows: Arrays) -> Arrays:
    """Return counts with what the methods decide of them: RIGHT, and ALL_RIGHT of the target's."""
    there = np.array(
        [
            says_there(None if np.isnan(probability) else probability, predicted_px)
            for probability, predicted_px in zip(
                rows["probability"].astype(float), rows["predicted_px"], strict=True
            )
        ],
        bool,
    )
    right = there != rows["negative"]
    target = np.stack([rows["fold"].astype(np.int64), rows["episode"]])
    _, target = np.unique(target, axis=1, return_inverse=True)
    return {**rows, RIGHT: right, ALL_RIGHT: all_right(right, target.ravel())}


def _of_decisions(column: str) -> Score:
    """Return the share of right ones; NaN where nothing that is absent is asked for."""
    return lambda rows: float(rows[column].mean()) if rows["negative"].any() else float("nan")


def _kept(rows: Arrays) -> float:
    """Return FS-CS's mIoU, NaN where nobody counted for it: see model/scores/several_categories."""
    intersection, union = (rows[f"kept_{name}_px"] for name in ("intersection", "union"))
    if not len(union) or np.isnan(union.astype(float)).any():
        return float("nan")
    none = np.zeros(len(union), np.int64)
    return mean_iou(Overlaps(rows["category_id"], intersection, union, none, none))


def _accuracy_by_category(rows: Arrays) -> Mapping[int, float]:
    if not rows["negative"].any():
        return {}
    numbers = np.unique(rows["category_id"])
    return {int(n): float(rows[RIGHT][rows["category_id"] == n].mean()) for n in numbers}


def _risk_at(tenth: int) -> Score:
    return _of_probability(lambda chance, present: risk_coverage(chance, present)[tenth - 1][1])


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
    "calibration_error": _of_probability(calibration_error),
    "exact_ratio": _of_decisions(ALL_RIGHT),
    ACCURACY: _of_decisions(RIGHT),
    "miou_kept": _kept,
    "mean_risk": _of_probability(risk_area),
    **{f"{RISK_AT}{10 * tenth}": _risk_at(tenth) for tenth in range(1, 11)},
    "davis_j": _of_objects(_region),
    "davis_f": _of_objects(lambda rows: rows["contour_f"]),
    "davis_j_and_f": _of_objects(lambda rows: (_region(rows) + rows["contour_f"]) / 2),
}
OF_CATEGORY: dict[str, Callable[[Arrays], Mapping[int, float]]] = {
    "iou_grid": lambda rows: iou_by_class(_overlaps(rows, "grid_")),
    "iou": lambda rows: iou_by_class(_overlaps(rows, "")),
    "boundary_iou": lambda rows: iou_by_class(_overlaps(rows, "boundary_", background=False)),
    ACCURACY: _accuracy_by_category,
}
