"""A job's references become a table of how well each finds the objects of all others.

Letters beyond those of model/segmenter.py: R references.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.masks.extent import extent_of
from model.masks.rasterise import rasterise
from model.masks.upsample import mask_at
from model.scores.metrics import overlap
from model.segmenter import LoadedReference, Prediction
from pipeline.presence.study import Study
from schemas.job.reference import Box

# All pairs of these are segmented: 400 masks, of 20 images.
MOST_OF_A_CATEGORY = 20


@dataclass(frozen=True)
class Crossed:
    """What reference r of a row finds in the image of the reference s of a column.

    iou_RR is against the latter's annotation, NaN where that is points or scribbles; likeness_RR is
    the cosine of what was found to what was shown.
    """

    references: tuple[LoadedReference, ...]
    iou_RR: np.ndarray
    likeness_RR: np.ndarray


def some_of_each(references: Sequence[LoadedReference]) -> tuple[LoadedReference, ...]:
    """Return the references, of a category with many an even choice, by category."""
    chosen: list[LoadedReference] = []
    for category_id in sorted({reference.category_id for reference in references}):
        own = [one for one in references if one.category_id == category_id]
        count = min(len(own), MOST_OF_A_CATEGORY)
        chosen += [own[round(place)] for place in np.linspace(0, len(own) - 1, count)]
    return tuple(chosen)


def cross(study: Study, references: Sequence[LoadedReference]) -> Crossed:
    """Look for every reference alone in every image: one study, and each image once."""
    alone = [replace(one, category_id=place) for place, one in enumerate(references)]
    segmenter = study(alone)
    count = len(references)
    iou_RR, likeness_RR = np.full((count, count), np.nan), np.zeros((count, count))
    for column, shown in enumerate(references):
        [predictions] = segmenter.segment([shown.image_HW3])
        for prediction in predictions:
            row = prediction.category_id
            iou_RR[row, column] = iou_with(prediction, shown)
            assert prediction.signals is not None, "the study asks for signals"
            likeness_RR[row, column] = prediction.signals["likeness"]
    return Crossed(tuple(references), iou_RR, likeness_RR)


def leave_one_out(study: Study, references: Sequence[LoadedReference]) -> dict[str, float]:
    """Return by id the IoU of each reference's object when the others of its category find it.

    Those that are alone, or annotated by points or scribbles, are left out.
    """
    found = {}
    for left_out in references:
        rest = [
            one
            for one in references
            if one.category_id == left_out.category_id and one.id != left_out.id
        ]
        if rest and isinstance(left_out.annotation, np.ndarray | Box):
            [[prediction]] = study(rest).segment([left_out.image_HW3])
            found[left_out.id] = iou_with(prediction, left_out)
    return found


def iou_with(prediction: Prediction, reference: LoadedReference) -> float:
    """Return the IoU of a mask and a reference's; of their boxes where it is one; else NaN."""
    size_HW = (reference.image_HW3.shape[0], reference.image_HW3.shape[1])
    mask_HW = mask_at(prediction, size_HW, 0.0)
    if isinstance(reference.annotation, Box):
        mask_HW = _boxed(mask_HW)
    elif not isinstance(reference.annotation, np.ndarray):
        return float("nan")
    pair = overlap(mask_HW, rasterise(reference.annotation, size_HW, size_HW))
    return pair.intersection_px / max(pair.union_px, 1)


def _boxed(mask_HW: np.ndarray) -> np.ndarray:
    boxed_HW = np.zeros_like(mask_HW)
    if extent := extent_of(mask_HW):
        left, top, right, bottom = extent
        boxed_HW[top:bottom, left:right] = True
    return boxed_HW
