"""What references find of each other, and what they look like, becomes what is wrong with them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from model.masks.rasterise import rasterise
from model.segmenter import LoadedReference, by_photo
from pipeline.references.cross import Crossed
from schemas.job.reference import Box

Kind = Literal["contradicts", "vanishes", "near_duplicate", "cut_off", "ambiguous", "other_domain"]
TO_DROP: tuple[Kind, ...] = ("contradicts", "vanishes", "near_duplicate")
"""A job is better without these; of the others it is worth to have more."""

# Chosen on jobs of four references, scenes and photos, with `lite`: of other jobs' wrong ones 72 of
# 104 have less, and of right ones 12 of 416 (docs/presence.md).
CONTRADICTING_BELOW = 0.45
# IoU of references that never find each other, so that a ratio of two such says nothing.
CHANCE_IOU = 0.1
# The grid of the paper's backbones (512 px at stride 8), on which prototypes are pooled.
GRID = 64
THUMBNAIL = 16
# Cosine of thumbnails and IoU of masks, both chosen and not measured.
SAME_PICTURE, SAME_MASK = 0.985, 0.85
# Of the outline: a cup that stands on the image's lower edge has less.
CUT_OFF_SHARE = 0.05


@dataclass(frozen=True)
class Fault:
    """Something to know of a reference, by its id; others are the references it is about too."""

    reference: str
    kind: Kind
    said: str
    others: tuple[str, ...] = ()

    @property
    def drop(self) -> bool:
        """True for a reference that the job is better without."""
        return self.kind in TO_DROP


def find_faults(crossed: Crossed, names: dict[int, str]) -> list[Fault]:
    """Return all faults of the references, by reference; names are the categories' by id."""
    faults = [
        *_contradicting(crossed),
        *_of_shape(crossed.references),
        *_duplicates(crossed.references),
        *_ambiguous(crossed, names),
    ]
    order = {reference.id: place for place, reference in enumerate(crossed.references)}
    return sorted(faults, key=lambda fault: order[fault.reference])


def _contradicting(crossed: Crossed) -> Iterator[Fault]:
    """Yield, of each category, the references that the others neither find nor are found by.

    The worst is taken out first, so that two bad ones do not hide each other. A wrong mask may well
    find the right object, where there is no other; but it does not find it alike.
    """
    # Both ways: a reference that finds all others is good, however poor its own photo.
    there_RR, back_RR = crossed.iou_RR, crossed.iou_RR.T
    both_RR = np.where(np.isnan(there_RR), back_RR, (there_RR + back_RR) / 2)
    both_RR = np.where(np.isnan(back_RR), there_RR, both_RR)
    photos = by_photo(crossed.references)
    photo_of = {one.id: number for number, photo in enumerate(photos) for one in photo}
    for category_id in sorted({reference.category_id for reference in crossed.references}):
        left = [
            place
            for place, reference in enumerate(crossed.references)
            if reference.category_id == category_id
        ]
        while len({photo_of[crossed.references[place].id] for place in left}) >= 3:
            shares = {place: _share_of_others(place, left, both_RR, crossed) for place in left}
            worst = min(left, key=lambda place: shares[place])
            if shares[worst] > CONTRADICTING_BELOW:
                break
            left = [place for place in left if place != worst]
            yield Fault(
                crossed.references[worst].id,
                "contradicts",
                f"IoU {_mean(both_RR[worst, left]):.2f} with what the other {len(left)} show, who "
                f"have {_agreement(left, both_RR):.2f} among themselves: another object, or a "
                "wrong mask",
                tuple(crossed.references[place].id for place in left),
            )


def _share_of_others(
    place: int, among: Sequence[int], both_RR: np.ndarray, crossed: Crossed
) -> float:
    """Return how well a reference fits the others, by how well these fit each other; 1: as well.

    With a wrong mask it finds things less alike what it shows than others do.
    """
    rest = [other for other in among if other != place]
    finds = {p: _mean(crossed.likeness_RR[p, [q for q in among if q != p]]) for p in among}
    alike = max(finds[place], 0) / max(float(np.median([finds[p] for p in rest])), 1e-6)
    agreed = (_mean(both_RR[place, rest]) + CHANCE_IOU) / (_agreement(rest, both_RR) + CHANCE_IOU)
    return alike * agreed


def _agreement(places: Sequence[int], both_RR: np.ndarray) -> float:
    return _mean(np.array([both_RR[p, q] for p in places for q in places if p != q]))


def _of_shape(references: Sequence[LoadedReference]) -> Iterator[Fault]:
    for reference in references:
        size_HW = (reference.image_HW3.shape[0], reference.image_HW3.shape[1])
        if isinstance(reference.annotation, np.ndarray | Box):
            object_HW = rasterise(reference.annotation, size_HW, size_HW)
            cells = object_HW.mean() * GRID**2
            if cells < 1:
                yield Fault(
                    reference.id,
                    "vanishes",
                    f"{cells:.2f} of a cell of the {GRID} x {GRID} grid: crop the photo to it",
                )
            cut = _share_at_the_edge(object_HW)
            if cut > CUT_OFF_SHARE:
                yield Fault(
                    reference.id,
                    "cut_off",
                    f"{cut:.0%} of its outline is the image's edge: a whole one says more",
                )


def _share_at_the_edge(object_HW: np.ndarray) -> float:
    """Return how much of an object's outline lies on the image's edge."""
    inner_HW = np.pad(object_HW, 1)
    neighbours = (inner_HW[:-2, 1:-1], inner_HW[2:, 1:-1], inner_HW[1:-1, :-2], inner_HW[1:-1, 2:])
    outline_HW = object_HW & ~np.logical_and.reduce(neighbours)
    at_edge = sum(int(side.sum()) for side in (object_HW[0], object_HW[-1], *object_HW.T[[0, -1]]))
    return at_edge / max(int(outline_HW.sum()), 1)


def _duplicates(references: Sequence[LoadedReference]) -> Iterator[Fault]:
    """Yield references that show what an earlier one shows: the same picture, the same place."""
    seen: list[tuple[LoadedReference, np.ndarray, np.ndarray]] = []
    for reference in references:
        size_HW = (reference.image_HW3.shape[0], reference.image_HW3.shape[1])
        picture_S = _thumbnail(reference.image_HW3.mean(axis=2))
        place_S = rasterise(reference.annotation, size_HW, (THUMBNAIL, THUMBNAIL)).flatten()
        for earlier, known_S, known_place_S in seen:
            union = int((place_S | known_place_S).sum())
            if (
                earlier.category_id == reference.category_id
                and float(picture_S @ known_S) > SAME_PICTURE
                and (place_S & known_place_S).sum() > SAME_MASK * union
            ):
                yield Fault(
                    reference.id,
                    "near_duplicate",
                    f"shows the same as {earlier.id}: another view says more",
                    (earlier.id,),
                )
                break
        seen.append((reference, picture_S, place_S))


def _thumbnail(grey_HW: np.ndarray) -> np.ndarray:
    """Return means over a coarse grid, of mean 0 and length 1."""
    rows = np.array_split(grey_HW, THUMBNAIL, axis=0)
    means_S = np.array(
        [part.mean() for row in rows for part in np.array_split(row, THUMBNAIL, axis=1)]
    )
    means_S = means_S - means_S.mean()
    return means_S / max(float(np.linalg.norm(means_S)), 1e-6)


def _ambiguous(crossed: Crossed, names: dict[int, str]) -> Iterator[Fault]:
    """Yield references whose object another category's references find, and find more alike."""
    ids = np.array([reference.category_id for reference in crossed.references])
    places = np.arange(len(ids))
    for place, reference in enumerate(crossed.references):
        known = ~np.isnan(crossed.likeness_RR[:, place]) & (places != place)
        own = (ids == reference.category_id) & known
        if not own.any():
            continue
        finds = crossed.iou_RR[:, place] > 0.5
        alike = np.where(finds, crossed.likeness_RR[:, place], -1.0)
        for other in sorted(set(ids.tolist()) - {reference.category_id}):
            theirs = (ids == other) & known
            if (
                finds[theirs].any()
                and alike[theirs].mean() > crossed.likeness_RR[own, place].mean()
            ):
                yield Fault(
                    reference.id,
                    "ambiguous",
                    f"references of {names[other]} find it more alike than its own do",
                    tuple(crossed.references[p].id for p in np.flatnonzero(theirs)),
                )


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0
