"""A seed and an index to a photo-like scene: an image and the exact visible mask of each object."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator, Philox

from pipeline.scenes.backgrounds import background
from pipeline.scenes.categories import KINDS
from pipeline.scenes.colours import Palette, tones
from pipeline.scenes.objects import Cutout, draw_pose, render
from pipeline.scenes.raster import cosine, sine
from pipeline.scenes.textures import smooth_noise

VERSION = 3
"""Raised with every change of what is drawn: scenes that were kept before it are drawn anew."""

MOST_OBJECTS = 6
_LEAST_VISIBLE = 0.5
"""No object is hidden or cut off by more than this share of itself: it would name nothing."""


class Scene(NamedTuple):
    """An image and its objects; masks are of what is visible, and never overlap.

    image_HW3 is uint8 RGB; instances are (category, bool mask [H, W]).
    """

    image_HW3: np.ndarray
    instances: tuple[tuple[str, np.ndarray], ...]

    def mask_of(self, category: str) -> np.ndarray:
        """Return the union of a category's instances, bool [H, W]; empty where it is absent."""
        masks = [mask for name, mask in self.instances if name == category]
        return np.logical_or.reduce([np.zeros(self.image_HW3.shape[:2], bool), *masks])


def scene(
    seed: int, index: int, categories: Sequence[str], size_px: int | tuple[int, int] = 256
) -> Scene:
    """Draw scene `index` of a seed: 1-6 objects of 1-3 of the given categories.

    size_px is the side, or (height, width). The same arguments give the same bits on every
    platform: pixels come from integers and from IEEE-exact float operations only. Raises KeyError
    for a category that does not exist.
    """
    height, width = (size_px, size_px) if isinstance(size_px, int) else size_px
    rng = Generator(Philox(key=[seed, index]))
    canvas = background(rng, height, width)
    turns = rng.random()
    light = (float(cosine(turns)), float(sine(turns)))
    owner_HW = np.zeros((height, width), np.uint8)
    names: list[str] = []
    last_tones: np.ndarray | None = None
    wanted = _draw_categories(rng, categories)
    for category in wanted:
        kind = KINDS[category]
        tones_53 = tones(kind.body, kind.accent, rng)
        unusual = rng.random()
        if unusual < 0.05:
            tones_53 = tones(Palette(), Palette(), rng)
        elif unusual < 0.1 and last_tones is not None:
            # Another object's colours: a neighbour that colour alone cannot tell apart.
            tones_53 = last_tones
        elif unusual < 0.15:
            y, x = int(rng.integers(height)), int(rng.integers(width))
            tones_53[0] = canvas[:, y, x]
        last_tones = tones_53
        biggest = 0.45 if len(wanted) <= 2 else 0.36
        for _ in range(4):
            radius = rng.uniform(0.18, biggest) * min(height, width)
            pose = draw_pose(rng, radius, height, width)
            cutout = render(category, pose, tones_53, light, rng)
            if _paste(canvas, owner_HW, cutout, len(names) + 1, light):
                names.append(category)
                break
    image_HW3 = _photograph(rng, canvas)
    instances = tuple((name, owner_HW == number) for number, name in enumerate(names, start=1))
    return Scene(image_HW3, instances)


def _draw_categories(rng: Generator, categories: Sequence[str]) -> list[str]:
    """Draw which category each object has; a category often comes several times."""
    count = int(rng.integers(1, MOST_OBJECTS + 1))
    kinds = min(int(rng.integers(1, 4)), count, len(categories))
    chosen = rng.permutation(len(categories))[:kinds].tolist()
    extra = rng.integers(0, kinds, count - kinds).tolist()
    order = rng.permutation(count).tolist()
    drawn = [categories[chosen[k]] for k in [*range(kinds), *extra]]
    return [drawn[k] for k in order]


def _paste(
    canvas: np.ndarray,
    owner_HW: np.ndarray,
    cutout: Cutout,
    number: int,
    light: tuple[float, float],
) -> bool:
    """Paint a cut-out and its shadow in place; refuse where too little would stay visible."""
    height, width = owner_HW.shape
    full_height, full_width = cutout.mask_hw.shape
    top, left = max(cutout.top, 0), max(cutout.left, 0)
    bottom = min(cutout.top + full_height, height)
    right = min(cutout.left + full_width, width)
    inside = (
        slice(top - cutout.top, bottom - cutout.top),
        slice(left - cutout.left, right - cutout.left),
    )
    here = (slice(top, bottom), slice(left, right))
    mask = cutout.mask_hw[inside]
    if mask.sum() < max(_LEAST_VISIBLE * cutout.mask_hw.sum(), 1):
        return False
    before = np.bincount(owner_HW.ravel(), minlength=number)
    hidden = np.bincount(owner_HW[here][mask], minlength=number)
    # Half of what is still visible, at most: twice covered leaves a quarter, and seldom.
    if (hidden[1:] > (1 - _LEAST_VISIBLE) * before[1:]).any():
        return False
    alpha = cutout.alpha_hw[inside]
    _cast_shadow(canvas, here, alpha, light)
    patch = canvas[:, *here]
    patch += alpha * (cutout.rgb_3hw[:, *inside] - patch)
    owner_HW[here][mask] = number
    return True


def _cast_shadow(
    canvas: np.ndarray, here: tuple[slice, slice], alpha: np.ndarray, light: tuple[float, float]
) -> None:
    """Darken what lies away from the light, by the object's own outline, softened."""
    rows, columns = here
    height, width = canvas.shape[1:]
    reach = 1 + min(height, width) // 64
    soft = alpha * np.float32(0.18)
    for step in (1, 2):
        dy, dx = (int(np.floor(-value * reach * step * 0.6 + 0.5)) for value in reversed(light))
        top, left = max(rows.start + dy, 0), max(columns.start + dx, 0)
        bottom, right = min(rows.stop + dy, height), min(columns.stop + dx, width)
        if top >= bottom or left >= right:
            continue
        y, x = top - rows.start - dy, left - columns.start - dx
        canvas[:, top:bottom, left:right] *= 1 - soft[y : y + bottom - top, x : x + right - left]


def _photograph(rng: Generator, canvas: np.ndarray) -> np.ndarray:
    """Uneven light, a soft lens, exposure and noise: float [3, H, W] to uint8 [H, W, 3]."""
    height, width = canvas.shape[1:]
    light = smooth_noise(rng, (2, 2), (height, width))
    canvas *= 1 + np.float32(rng.uniform(0.1, 0.6)) * (light - np.float32(0.5))
    blur = np.float32(rng.uniform(0.0, 0.3))
    for axis in (1, 2):
        across = canvas.swapaxes(1, axis)
        near = across[:, :-2] + across[:, 2:]
        across[:, 1:-1] += blur * (near * np.float32(0.5) - across[:, 1:-1])
    gain = rng.uniform(0.75, 1.2, 3) * 0.3 + rng.uniform(0.7, 1.15) * 0.7
    canvas *= gain.astype(np.float32)[:, None, None]
    canvas += np.float32(rng.uniform(-12, 18))
    reach = int(rng.integers(1, 11))
    canvas += rng.integers(-reach, reach + 1, canvas.shape, dtype=np.int8)
    np.clip(canvas, 0, 255, out=canvas)
    return np.ascontiguousarray(canvas.astype(np.uint8).transpose(1, 2, 0))
