"""What lies behind the objects: a seeded generator in, a textured RGB canvas out."""

import numpy as np
from numpy.random import Generator

from pipeline.scenes.colours import Palette, draw
from pipeline.scenes.outlines import blob, regular, turned
from pipeline.scenes.raster import SAMPLES, coverage
from pipeline.scenes.textures import Pattern, pattern, smooth_noise

_PALETTE = Palette(saturation=(0.05, 0.75), value=(0.2, 0.95))
_PATTERNS: tuple[Pattern, ...] = (
    "stripes", "bands", "dots", "checker", "grain", "bricks", "weave", "speckle", "marble",
    "zigzag", "lattice", "scales", "plain",
)  # fmt: skip


def background(rng: Generator, height_px: int, width_px: int) -> np.ndarray:
    """Return float32 [3, H, W] in 0..255: one or two surfaces, uneven, with clutter on them."""
    canvas = _surface(rng, height_px, width_px)
    if rng.random() < 0.5:
        # A second surface beyond an edge: a table before a wall, ground under sky.
        tilt, level = rng.uniform(-0.25, 0.25), rng.uniform(0.25, 0.75)
        rows = np.arange(height_px, dtype=np.float32)[:, None] / np.float32(height_px)
        columns = np.arange(width_px, dtype=np.float32)[None] / np.float32(width_px)
        below = rows > np.float32(level) + np.float32(tilt) * (columns - np.float32(0.5))
        canvas = np.where(below, _surface(rng, height_px, width_px), canvas)
    for _ in range(int(rng.integers(0, 7))):
        _clutter(rng, canvas)
    return canvas


def _surface(rng: Generator, height_px: int, width_px: int) -> np.ndarray:
    first, second = draw(_PALETTE, rng), draw(_PALETTE, rng)
    cells = int(rng.integers(2, 7))
    noise = smooth_noise(
        rng, (cells, cells), (height_px, width_px), octaves=int(rng.integers(2, 5))
    )
    if rng.random() < 0.6:
        scale = np.float32(rng.uniform(2.0, 7.0) / min(height_px, width_px))
        c, s = np.float32(rng.uniform(-1, 1)), np.float32(rng.uniform(0.3, 1))
        x = np.arange(width_px, dtype=np.float32)[None] * scale
        y = np.arange(height_px, dtype=np.float32)[:, None] * scale
        kind = _PATTERNS[int(rng.integers(len(_PATTERNS)))]
        figure = pattern(kind, x * s - y * c, x * c + y * s, rng)
        strength = np.float32(rng.uniform(0.15, 0.7))
        mix = figure * strength + noise * (1 - strength)
    else:
        mix = noise
    contrast = np.float32(rng.uniform(0.25, 1.0))
    return first[:, None, None] + (mix * contrast) * (second - first)[:, None, None]


def _clutter(rng: Generator, canvas: np.ndarray) -> None:
    """Paint one pebble, paper scrap or stick of no category, in place."""
    height, width = canvas.shape[1:]
    size = rng.uniform(0.02, 0.13) * min(height, width)
    if rng.random() < 0.5:
        loop = blob(rng.uniform(0.6, 1.0, int(rng.integers(5, 9))), 24)
    else:
        loop = regular(int(rng.integers(3, 6)))
    loop = turned(loop * (1, rng.uniform(0.15, 1.0)), rng.random()) * size
    reach = int(size) + 2
    side = 2 * reach
    left = int(rng.integers(-reach, width - reach))
    top = int(rng.integers(-reach, height - reach))
    alpha = coverage([loop + reach], side, side)
    rows, columns = slice(max(top, 0), top + side), slice(max(left, 0), left + side)
    alpha = alpha[rows.start - top : height - top, columns.start - left : width - left]
    weight = alpha / np.float32(SAMPLES**2)
    shade = draw(_PALETTE, rng)[:, None, None] * smooth_noise(rng, (3, 3), alpha.shape)
    patch = canvas[:, rows, columns]
    patch += weight * (shade + 30 - patch)
