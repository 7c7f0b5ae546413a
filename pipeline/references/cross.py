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
from model.segmenter import LoadedReference, Prediction, by_category, by_photo
from pipeline.presence.study import Study
from schemas.job.reference import Box

# All pairs of these are segmented: 400 masks, of 20 images.
MOST_OF_A_CATEGORY = 20


@dataclass(frozen=True)
class Crossed:
    """What reference r of a row finds in the image of the reference s of a column.

    iou_RR is against all that is annotated there of the latter's category, NaN where that is points
    or scribbles; likeness_RR is the cosine of what was found to what was shown. Both are NaN of two
    references in one photo, where each finds itself.
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
    """Look for every reference alone in every photo: one study, and each photo once."""
    alone = [replace(one, category_id=place) for place, one in enumerate(references)]
    segmenter = study(alone)
    count = len(references)
    iou_RR, likeness_RR = np.full((count, count), np.nan), np.full((count, count), np.nan)
    place_of = {reference.id: place for place, reference in enumerate(references)}
    for photo in by_photo(references):
        [predictions] = segmenter.segment([photo[0].image_HW3])
        here = [place_of[one.id] for one in photo]
        elsewhere = [one for one in predictions if one.category_id not in here]
        for own in by_category(photo).values():
            columns = [place_of[one.id] for one in own]
            shown = _together(own)
            for prediction in elsewhere:
                assert prediction.signals is not None, "the study asks for signals"
                iou_RR[prediction.category_id, columns] = iou_with(prediction, shown)
                likeness_RR[prediction.category_id, columns] = prediction.signals["likeness"]
    return Crossed(tuple(references), iou_RR, likeness_RR)


def leave_one_out(study: Study, references: Sequence[LoadedReference]) -> dict[str, float]:
    """Return by id the IoU of each reference's object when its category's others find it.

    A photo is left out whole, and all that is annotated in it of a category looked for together.
    Those that are alone, or annotated by points or scribbles, have none.
    """
    found = {}
    for category in by_category(references).values():
        for photo in by_photo(category):
            ids, shown = {one.id for one in photo}, _together(photo)
            rest = [one for one in category if one.id not in ids]
            if rest and isinstance(shown.annotation, np.ndarray | Box):
                [[prediction]] = study(rest).segment([shown.image_HW3])
                found |= dict.fromkeys(ids, iou_with(prediction, shown))
    return found


def _together(own: Sequence[LoadedReference]) -> LoadedReference:
    """Return a photo's references of one category as one: a mask if all are, else a box.

    One by points or scribbles where any is: these do not say how far an object goes.
    """
    drawn = [one.annotation for one in own]
    pointed = [one for one in drawn if not isinstance(one, np.ndarray | Box)]
    if len(own) == 1 or pointed:
        return replace(own[0], annotation=[*pointed, *drawn][0])
    size_HW = (own[0].image_HW3.shape[0], own[0].image_HW3.shape[1])
    all_HW = np.logical_or.reduce([rasterise(one, size_HW, size_HW) for one in drawn])
    extent = extent_of(all_HW)
    if extent is None or all(isinstance(one, np.ndarray) for one in drawn):
        return replace(own[0], annotation=all_HW)
    left, top, right, bottom = extent
    return replace(own[0], annotation=Box(type="box", xyxy=(left, top, right, bottom)))


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
