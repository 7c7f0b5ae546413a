"""Turn predictions into label rows, and faults into rejected rows."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from model.masks.overlaps import owners
from model.masks.upsample import logits_at, mask_at, stability
from model.presence.decide import Judge, decide
from model.segmenter import Prediction
from pipeline.inputs.shards import EncodedImage
from pipeline.masks.components import components
from pipeline.masks.runs import encode_rle
from schemas.errors import ImageRejected
from schemas.job.label import Components, Instances, Iterative, Overlaps, Thresholds
from schemas.record.commit import Identity
from schemas.record.presence import Decision

LEAST_OBJECT_PX = 16  # of an image of SAM's own size: a cell of its logits covers 4 x 4 pixels


@dataclass(frozen=True)
class RowContext:
    """What all rows of a job share."""

    identity: Identity
    references: Mapping[int, tuple[str, ...]]  # reference ids by category id
    thresholds: Thresholds
    overlaps: Overlaps = "keep"
    instances: Instances | None = None
    judge: Judge | None = None

    @property
    def names(self) -> dict[int, str]:
        """Category names by id."""
        return {category.id: category.name for category in self.identity.categories}


@dataclass(frozen=True)
class _Measured:
    """A prediction at the image's size; an unlabelled one's runs are empty.

    chance is the probability that its object is there, where the job asks.
    """

    prediction: Prediction
    stability: float
    rle: Any
    area_px: int
    chance: float | None = None

    @property
    def labelled(self) -> bool:
        return self.area_px > 0


def label_rows(
    predictions: Sequence[Prediction], size_HW: tuple[int, int], context: RowContext
) -> list[dict[str, Any]]:
    """Return the columns of LABEL_SCHEMA that an image's predictions decide; size_HW in pixels.

    A row per prediction, each followed by those of its objects if the job wants them. A mask that
    misses a threshold becomes an empty one; its score and stability stay, to show why. Raises
    ImageRejected where the model's answer is not a number.
    """
    limits = context.thresholds
    if said := unsound(predictions):
        raise ImageRejected("model", said)
    measured = [_find(prediction, size_HW, context) for prediction in predictions]
    if context.overlaps == "argmax":
        measured = _settled(measured, size_HW, limits)
    rows = []
    for one in measured:
        row = _row(one, size_HW, context)
        rows.append(row)
        if context.instances is not None and one.labelled:
            rows += _instance_rows(row, one, context)
    return rows


def unsound(predictions: Sequence[Prediction]) -> str | None:
    """Return what of an image's predictions is not a number, which no threshold would catch."""
    for one in predictions:
        told = {"score": one.score, "presence": one.presence, **(one.signals or {})}
        told["logits"] = float(one.logits_hw.min(initial=np.inf))
        wrong = [name for name, value in told.items() if value is not None and math.isnan(value)]
        if wrong:
            return f"category {one.category_id}: {', '.join(wrong)} not a number"
        if said := unsound(one.objects):
            return said
    return None


def _find(prediction: Prediction, size_HW: tuple[int, int], context: RowContext) -> _Measured:
    limits, judge = context.thresholds, context.judge
    stable = stability(prediction.logits_hw, limits.mask_logit)
    chance = None if judge is None else judge.chance(prediction)
    absent = judge is not None and chance is not None and decide(chance, judge.choice) == "absent"
    if absent or prediction.score < limits.min_score or stable < limits.min_stability:
        mask_HW = np.zeros(size_HW, bool)
    else:
        mask_HW = mask_at(prediction, size_HW, limits.mask_logit)
    return replace(_found(prediction, stable, mask_HW, limits), chance=chance)


def _found(
    prediction: Prediction, stable: float, mask_HW: np.ndarray, limits: Thresholds
) -> _Measured:
    rle = encode_rle(mask_HW)
    area_px = int(coco_mask.area(rle))
    if area_px < limits.min_area_px:
        rle, area_px = encode_rle(np.zeros(mask_HW.shape, dtype=bool)), 0
    return _Measured(prediction, stable, rle, area_px)


def _settled(
    measured: Sequence[_Measured], size_HW: tuple[int, int], limits: Thresholds
) -> list[_Measured]:
    """Give each pixel of several masks to one; what falls below min_area_px becomes empty.

    It goes to the likelier object where probabilities are known, else to SAM's predicted IoU.
    """
    labelled = [one for one in measured if one.labelled]
    if len(labelled) < 2:
        return list(measured)
    union_px = int(coco_mask.area(coco_mask.merge([one.rle for one in labelled])))
    if union_px == sum(one.area_px for one in labelled):
        return list(measured)
    predictions = [one.prediction for one in labelled]
    sureness = [one.prediction.score if one.chance is None else one.chance for one in labelled]
    owner_HW = owners(predictions, size_HW, limits.mask_logit, sureness)
    kept = iter(
        replace(_found(one.prediction, one.stability, owner_HW == place, limits), chance=one.chance)
        for place, one in enumerate(labelled)
    )
    return [next(kept) if one.labelled else one for one in measured]


def _row(measured: _Measured, size_HW: tuple[int, int], context: RowContext) -> dict[str, Any]:
    prediction = measured.prediction
    return {
        "height": size_HW[0],
        "width": size_HW[1],
        "category_id": prediction.category_id,
        "category": context.names[prediction.category_id],
        "status": "labelled" if measured.labelled else "empty",
        **_mask_columns(measured.rle, measured.area_px),
        "score": prediction.score,
        "stability": measured.stability,
        **_reference_columns(prediction, context),
        "job_fingerprint": context.identity.fingerprint,
        "model_fingerprint": context.identity.model_fingerprint,
        "random_weights": bool(context.identity.random_weights),
        "presence": prediction.presence,
        "instance_id": None,
        **_decided_columns(measured, context),
    }


def _reference_columns(prediction: Prediction, context: RowContext) -> dict[str, Any]:
    """Name the references behind a mask: all of its category, or those that the method chose."""
    if not prediction.behind:
        return {"references": list(context.references[prediction.category_id])}
    ids, weights = zip(*prediction.behind, strict=True)
    return {"references": list(ids), "reference_weights": list(weights)}


def _decided_columns(measured: _Measured, context: RowContext) -> dict[str, Any]:
    """Return DECIDED_COLUMNS of a job that asks. What is likely there, without a mask: review."""
    if context.judge is None or measured.chance is None:
        return {}
    decision: Decision = decide(measured.chance, context.judge.choice)
    if decision == "labelled" and not measured.labelled:
        decision = "review"
    return {"probability": measured.chance, "decision": decision}


def _mask_columns(rle: Any, area_px: int) -> dict[str, Any]:
    counts = rle["counts"]
    return {
        "rle_counts": counts if isinstance(counts, str) else counts.decode("ascii"),
        "box_xywh": [float(side) for side in coco_mask.toBbox(rle)],
        "area_px": area_px,
    }


def _instance_rows(
    row: dict[str, Any], measured: _Measured, context: RowContext
) -> list[dict[str, Any]]:
    """Return a row per object of a labelled category, numbered from 1."""
    match context.instances:
        case None:
            objects = []
        case Components() as wanted:
            objects = _components(row, measured.prediction, wanted)
        case Iterative() as wanted:
            objects = _searched(row, measured, wanted, context.thresholds)
    return [{**row, **one, "instance_id": number} for number, one in enumerate(objects, start=1)]


def _components(
    row: dict[str, Any], prediction: Prediction, wanted: Components
) -> list[dict[str, Any]]:
    """Split the category's mask, the largest first; a score is the mean probability under it."""
    size_HW = (row["height"], row["width"])
    least_px = wanted.min_area_px or _cell_px(prediction.logits_hw, size_HW)
    split = components(row["rle_counts"], size_HW, wanted.most, least_px)
    found = [_mask_columns(rle, area_px) for rle, area_px in split]
    if found:
        left, top, width, height = (int(side) for side in row["box_xywh"])
        box = slice(top, top + height), slice(left, left + width)
        sure_YX = 1 / (1 + np.exp(-logits_at(prediction, size_HW, box)))
        for columns, (rle, _) in zip(found, split, strict=True):
            x, y, w, h = (int(side) for side in columns["box_xywh"])
            inside_yx = coco_mask.decode(rle)[y : y + h, x : x + w].astype(bool)
            under = sure_YX[y - top :, x - left :][:h, :w][inside_yx]
            columns["score"] = float(under.mean(dtype=np.float64))
    return found


def _cell_px(logits_hw: np.ndarray, size_HW: tuple[int, int]) -> int:
    """Return how many pixels one cell of the logits covers: what is smaller is interpolation."""
    return max(LEAST_OBJECT_PX, round((max(size_HW) / max(logits_hw.shape)) ** 2))


def _searched(
    row: dict[str, Any], measured: _Measured, wanted: Iterative, limits: Thresholds
) -> list[dict[str, Any]]:
    """Return the objects a method found, in its order, inside the category's mask.

    Each has its own score, which must reach min_score, and none has a pixel of one before it.
    """
    free_HW = coco_mask.decode(measured.rle).astype(bool)
    objects = []
    for one in measured.prediction.objects:
        mask_HW = mask_at(one, (row["height"], row["width"]), limits.mask_logit) & free_HW
        area_px = int(np.count_nonzero(mask_HW))
        if area_px < wanted.min_area_px or one.score < limits.min_score:
            continue
        free_HW &= ~mask_HW
        stable = stability(one.logits_hw, limits.mask_logit)
        columns = {"score": one.score, "stability": stable, "presence": one.presence}
        objects.append(_mask_columns(encode_rle(mask_HW), area_px) | columns)
    return objects


def rejected_row(image: EncodedImage, fault: ImageRejected, context: RowContext) -> dict[str, Any]:
    """Return the columns of REJECTED_SCHEMA for an image that cannot be labelled."""
    return {
        "image_id": image.image_id,
        "uri": image.uri,
        "reason": fault.reason,
        "message": fault.message,
        "bytes_sha256": hashlib.sha256(image.data).hexdigest() if image.data else "",
        "bytes": len(image.data),
        "job_fingerprint": context.identity.fingerprint,
    }
