"""Turn labels of an audit sample and what a changed job makes of them into what became better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pycocotools import mask as coco_mask

from pipeline.masks.runs import encode_rle
from pipeline.review.audit import draw_sample
from pipeline.review.review import Review

Row = Mapping[str, Any]
Outcome = Literal["improved", "worsened", "unchanged", "unknown"]
OUTCOMES: tuple[Outcome, ...] = ("improved", "worsened", "unchanged", "unknown")
# Less is what two brushes leave between them: a mask that was accepted is right to the eye only.
LEAST_CHANGE_IOU = 0.05


@dataclass(frozen=True)
class Audited:
    """A label of the sample as it was made, and the mask that is right, None where nobody said."""

    label: int
    made: Row
    right: Any


@dataclass(frozen=True)
class Change:
    """What became of a label; both IoU are with the mask that is right, None where unknown."""

    outcome: Outcome
    before_iou: float | None = None
    after_iou: float | None = None


def audited_labels(review: Review, each: int) -> list[Audited]:
    """Return the labels of `vrp certify --each` this many, image by image."""
    labels = np.concatenate([*draw_sample(review.index, each).values(), np.empty(0, np.int64)])
    return [_audited(review, label) for label in np.sort(labels).tolist()]


def images_of(audited: Sequence[Audited]) -> tuple[tuple[str, str], ...]:
    """Return (id, URI) of the sample's images, each once."""
    return tuple({one.made["image_id"]: one.made["uri"] for one in audited}.items())


def compared_with(
    audited: Sequence[Audited], labelled: Mapping[str, tuple[int, Sequence[Row]]]
) -> list[tuple[Audited, Row, Change]]:
    """Return the labels that a changed job made anew, with its rows.

    labelled has the rows of an image by its id. Categories are told by name: a job may number them
    anew.
    """
    found = []
    for one in audited:
        _, rows = labelled.get(one.made["image_id"], (0, ()))
        for row in rows:
            if row["category"] == one.made["category"]:
                found.append((one, row, change_of(one, row)))
    return found


def change_of(audited: Audited, after: Row) -> Change:
    """Compare a label with the row of the changed job."""
    if audited.right is None:
        return Change("unknown")
    before_iou = _iou(rle_of(audited.made), audited.right)
    after_iou = _iou(rle_of(after), audited.right)
    gained = after_iou - before_iou
    if abs(gained) < LEAST_CHANGE_IOU:
        return Change("unchanged", before_iou, after_iou)
    return Change("improved" if gained > 0 else "worsened", before_iou, after_iou)


def counted(changes: Sequence[tuple[str, Change]]) -> dict[str, dict[str, Any]]:
    """Return of each category how many labels had which outcome, and both mean IoU."""
    counts = {}
    for category in dict.fromkeys(name for name, _ in changes):
        own = [change for name, change in changes if name == category]
        known = [one for one in own if one.outcome != "unknown"]
        counts[category] = {
            **{outcome: sum(one.outcome == outcome for one in own) for outcome in OUTCOMES},
            "before_iou": _mean([one.before_iou for one in known]),
            "after_iou": _mean([one.after_iou for one in known]),
        }
    return counts


def rle_of(row: Row) -> Any:
    """Return a row's mask as COCO RLE, an empty one where it has none."""
    size = [row["height"], row["width"]]
    counts = row["rle_counts"] if row["area_px"] else _nothing(size)
    return {"size": size, "counts": counts.encode() if isinstance(counts, str) else counts}


def _audited(review: Review, label: int) -> Audited:
    made = review.row(label)
    match review.verdict(label):
        case "accepted":
            right = rle_of(made)
        case "corrected":
            said = review.verdicts.newest[made["image_id"], made["category_id"]]
            right = {"size": [made["height"], made["width"]], "counts": said["rle_counts"].encode()}
        case "absent":
            right = rle_of({**made, "area_px": 0})
        case _:  # rejected: wrong, and nobody drew what is right
            right = None
    return Audited(label, made, right)


def _nothing(size_HW: Sequence[int]) -> str:
    return encode_rle(np.zeros(tuple(size_HW), bool))["counts"]


def _iou(made: Any, right: Any) -> float:
    """Return the IoU of two masks; 1 where both are empty."""
    if not coco_mask.area(made) and not coco_mask.area(right):
        return 1.0
    return float(np.asarray(coco_mask.iou([made], [right], [0]))[0, 0])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
