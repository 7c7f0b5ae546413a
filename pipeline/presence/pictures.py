"""Scenes, or a folder of photos with masks, become pictures whose truth is known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.datasets.folder import read_unmarked
from pipeline.lite.photos import Photo, read_photos
from pipeline.scenes.write import SceneSet
from pipeline.storage.place import Place
from schemas.job.storage import Storage

LEAST_SHARE = 0.0078
"""2 * 32 * 32 px of 512 x 512: what few-shot lists count as shown."""
LONGEST_PX = 512
"""Photos are kept no larger: a backbone's input has about this side."""


@dataclass(frozen=True)
class Picture:
    """An image, uint8 RGB, and the true masks, bool [H, W], of the categories that it shows.

    Of those that are unmarked nobody knows: they may be there without a mask.
    """

    image_HW3: np.ndarray
    masks: Mapping[str, np.ndarray]
    unmarked: frozenset[str] = frozenset()


def scene_pictures(categories: Sequence[str], count: int, seed: int) -> Iterator[Picture]:
    """Draw scenes of the categories; one with an object too small to be sure of is left out."""
    for _, drawn in SceneSet(seed, count, tuple(categories)):
        names = sorted({name for name, _ in drawn.instances})
        masks = {name: drawn.mask_of(name) for name in names}
        if all(mask_HW.mean() >= LEAST_SHARE for mask_HW in masks.values()):
            yield Picture(drawn.image_HW3, masks)


def photo_pictures(
    folder: Path,
    asked: Sequence[str] = (),
    left_out: Sequence[str] = (),
    unmarked: Path | None = None,
) -> Iterator[Picture]:
    """Read `<category>/<id>.jpg` with `<category>/<id>.png`: what has no mask counts as absent.

    But not what a file says may be there all the same (`pipeline/datasets/folder.py`).

    asked are the categories that are looked for (none: all), so that what people did not mark
    where it is need not be among them. Photos that show none of these are not used, nor those of a
    category left out, nor of an object too small to be sure of.
    """
    photos = read_photos(folder)
    may_show: Mapping[str, frozenset[str]] = {}
    if unmarked is not None:
        ids = [name for photo in photos for name in _names(photo)]
        may_show = read_unmarked(Place.open(str(unmarked), Storage()), ids)
    for photo in photos:
        wanted = photo.masks.keys() & set(asked) if asked else photo.masks.keys()
        if not wanted or photo.masks.keys() & set(left_out):
            continue
        masks = {name: _small(photo.open_mask(name)) > 0 for name in sorted(wanted)}
        if all(m.mean() >= LEAST_SHARE and not m.all() for m in masks.values()):
            named = [may_show.get(name, frozenset()) for name in _names(photo)]
            yield Picture(_small(photo.open()), masks, frozenset().union(*named) - masks.keys())


def _names(photo: Photo) -> list[str]:
    return [f"{category}/{photo.id}" for category in photo.masks]


def _small(image: Image.Image) -> np.ndarray:
    image.thumbnail((LONGEST_PX, LONGEST_PX), Image.Resampling.BILINEAR)
    return np.asarray(image)
