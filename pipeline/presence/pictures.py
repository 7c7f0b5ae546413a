"""Scenes, or a folder of photos with masks, become pictures whose truth is known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.lite.photos import read_photos
from pipeline.scenes.write import SceneSet

LEAST_SHARE = 0.0078
"""2 * 32 * 32 px of 512 x 512: what few-shot lists count as shown."""
LONGEST_PX = 512
"""Photos are kept no larger: a backbone's input has about this side."""


@dataclass(frozen=True)
class Picture:
    """An image, uint8 RGB, and the true masks, bool [H, W], of the categories that it shows."""

    image_HW3: np.ndarray
    masks: Mapping[str, np.ndarray]


def scene_pictures(categories: Sequence[str], count: int, seed: int) -> Iterator[Picture]:
    """Draw scenes of the categories; one with an object too small to be sure of is left out."""
    for _, drawn in SceneSet(seed, count, tuple(categories)):
        names = sorted({name for name, _ in drawn.instances})
        masks = {name: drawn.mask_of(name) for name in names}
        if all(mask_HW.mean() >= LEAST_SHARE for mask_HW in masks.values()):
            yield Picture(drawn.image_HW3, masks)


def photo_pictures(
    folder: Path, asked: Sequence[str] = (), left_out: Sequence[str] = ()
) -> Iterator[Picture]:
    """Read `<category>/<id>.jpg` with `<category>/<id>.png`: what has no mask counts as absent.

    asked are the categories that are looked for (none: all), so that what people did not mark
    where it is need not be among them. Photos that show none of these are not used, nor those of a
    category left out, nor of an object too small to be sure of.
    """
    for photo in read_photos(folder):
        wanted = photo.masks.keys() & set(asked) if asked else photo.masks.keys()
        if not wanted or photo.masks.keys() & set(left_out):
            continue
        masks = {name: _small(photo.open_mask(name)) > 0 for name in sorted(wanted)}
        if all(m.mean() >= LEAST_SHARE and not m.all() for m in masks.values()):
            yield Picture(_small(photo.open()), masks)


def _small(image: Image.Image) -> np.ndarray:
    image.thumbnail((LONGEST_PX, LONGEST_PX), Image.Resampling.BILINEAR)
    return np.asarray(image)
