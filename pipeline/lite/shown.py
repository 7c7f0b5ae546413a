"""Photos and scenes become what validation asks about: encoded once, with a category's mask."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from model.networks.feature_maps import FeatureMaps
from model.networks.lite.trunk import INPUT_PX, LiteTrunk, halved, joined
from model.networks.pixels import normalise, squash
from pipeline.lite.photos import EVERY_PIXEL, Photo
from pipeline.lite.pictures import LEAST_SHARE
from pipeline.lite.store import encode
from pipeline.scenes.categories import RESERVED
from pipeline.scenes.compose import scene

SCENES = 120
SEED = 7

OUTDOORS, INDOORS = "horse", frozenset({"dog", "sofa", "dining_table", "potted_plant"})
"""Of the published weights' held-out categories: photos of the one show none of the others, and the
reverse."""


@dataclass(frozen=True)
class Shown:
    """One picture of a category, its maps, the mask at its own size, and what is never paired."""

    category: str
    group: str
    image_HW3: np.ndarray
    maps: FeatureMaps
    mask_HW: np.ndarray
    lacks: frozenset[str] = frozenset()
    """Categories of the validation that the picture surely does not show."""


def show(
    trunk: LiteTrunk,
    category: str,
    group: str,
    image_HW3: np.ndarray,
    mask_HW: np.ndarray,
    lacks: frozenset[str] = frozenset(),
) -> Shown:
    """Encode a picture once for all its episodes."""
    squashed_13HW = squash(image_HW3, INPUT_PX, torch.device("cpu")).byte()
    levels = encode(trunk, squashed_13HW.permute(0, 2, 3, 1))
    fine_1Chw, deep_1Chw = (level.float().permute(0, 3, 1, 2) for level in levels)
    maps = joined(fine_1Chw, deep_1Chw, halved(normalise(squashed_13HW.float())))
    return Shown(category, group, image_HW3, maps, mask_HW, lacks)


def show_photos(
    trunk: LiteTrunk, photos: Sequence[Photo], categories: Collection[str]
) -> list[Shown]:
    """Encode every held-out category of every photo.

    A photo surely lacks a category where its source labels every pixel, and what photos of its own
    category never show (OUTDOORS, INDOORS): of other photos nobody knows.
    """
    shown = []
    for photo in photos:
        for category in sorted(photo.masks.keys() & set(categories)):
            image_HW3, mask_HW = np.asarray(photo.open()), photo.mask(category)
            lacks = _lacks(photo, frozenset(categories) - photo.masks.keys())
            shown.append(show(trunk, category, photo.group, image_HW3, mask_HW, lacks))
    return shown


def _lacks(photo: Photo, unnamed: frozenset[str]) -> frozenset[str]:
    if photo.source in EVERY_PIXEL:
        return unnamed
    if OUTDOORS in photo.masks:
        return unnamed & INDOORS
    return frozenset() if INDOORS.isdisjoint(photo.masks) else unnamed & {OUTDOORS}


def show_scenes(trunk: LiteTrunk, count: int = SCENES) -> list[Shown]:
    """Encode drawn scenes of the reserved categories, which nothing is trained on."""
    shown = []
    for number in range(count):
        drawn = scene(SEED, number, RESERVED, 256)
        there = {name for name, _ in drawn.instances}
        lacks = frozenset(RESERVED) - there
        for category in sorted(there):
            mask_HW = drawn.mask_of(category)
            if mask_HW.mean() >= LEAST_SHARE:
                group = f"scene-{number}"
                shown.append(show(trunk, category, group, drawn.image_HW3, mask_HW, lacks))
    return shown


def pick(shown: Sequence[Shown], most: int) -> list[Shown]:
    """Draw up to so many targets of each category, the same in every run."""
    rng = np.random.default_rng(5)
    picked = []
    for category in sorted({one.category for one in shown}):
        own = [one for one in shown if one.category == category]
        picked += [own[int(k)] for k in rng.permutation(len(own))[:most]]
    return picked
