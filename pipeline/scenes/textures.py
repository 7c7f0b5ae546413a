"""Surface patterns: local coordinates of an object in, a 0..1 mix of its two colours out.

Only +, -, *, /, sqrt, floor and comparisons of float32 are used: IEEE 754 rounds those the same way
everywhere, which libm's functions do not.
"""

from typing import Literal

import numpy as np
from numpy.random import Generator
from PIL import Image

Pattern = Literal[
    "plain", "stripes", "bands", "rings", "dots", "checker", "grain", "scales", "sectors",
    "shade", "bricks", "weave", "speckle", "marble", "zigzag", "lattice",
]  # fmt: skip


def smooth_noise(
    rng: Generator, cells: tuple[int, int], size: tuple[int, int], octaves: int = 1
) -> np.ndarray:
    """Random values on a grid, enlarged smoothly: float32 [height, width] in 0..1.

    Pillow resizes 8-bit images in fixed-point arithmetic, hence the detour through bytes.
    """
    height, width = size
    total = np.zeros((height, width), np.float32)
    weight, weights = 1.0, 0.0
    for octave in range(octaves):
        rows, columns = cells[0] << octave, cells[1] << octave
        grid = rng.integers(0, 256, (rows, columns), dtype=np.uint8)
        layer = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(layer, np.float32) * np.float32(weight / 255)
        weights += weight
        weight /= 2
    return total / np.float32(weights)


def _fraction(value: np.ndarray) -> np.ndarray:
    return value - np.floor(value)


def _triangle(value: np.ndarray) -> np.ndarray:
    """A triangle wave of period 1 between 0 and 1."""
    return np.abs(_fraction(value) - 0.5) * 2


def pattern(kind: Pattern, u: np.ndarray, v: np.ndarray, rng: Generator) -> np.ndarray:
    """Return the mix 0..1, float32, at local coordinates u, v (about -1..1 over the object)."""
    f = float(np.float32(rng.uniform(0.8, 1.25)))
    centred_u, centred_v = u, v
    u, v = u + np.float32(rng.uniform(0, 4)), v + np.float32(rng.uniform(0, 4))
    match kind:
        case "plain":
            mix = _noise_at(u, v, rng, 1.5) * 0.35
        case "stripes":
            mix = (_fraction(u * (3.0 * f)) < 0.5).astype(np.float32)
        case "bands":
            mix = _triangle(v * (2.2 * f))
        case "rings":
            mix = _triangle(np.sqrt(centred_u * centred_u + centred_v * centred_v) * (3.0 * f))
        case "dots":
            x, y = _fraction(u * (2.8 * f)) - 0.5, _fraction(v * (2.8 * f)) - 0.5
            mix = (x * x + y * y < 0.085).astype(np.float32)
        case "checker":
            mix = ((np.floor(u * (3.2 * f)) + np.floor(v * (3.2 * f))) % 2).astype(np.float32)
        case "grain":
            mix = _noise_at(u * 0.35, v * 3.0, rng, 2.0)
        case "scales":
            row = np.floor(v * (4.5 * f))
            x = _fraction(u * (3.5 * f) + (row % 2) * 0.5) - 0.5
            y = _fraction(v * (4.5 * f))
            mix = (x * x + y * y * 0.3) * 2.2
        case "sectors":
            across = np.abs(centred_u) + np.abs(centred_v) + np.float32(1e-3)
            turn = centred_v / across
            mix = _triangle(turn * (2.5 * f))
        case "shade":
            mix = (v - v.min()) / np.maximum(v.max() - v.min(), np.float32(1e-3))
        case "bricks":
            row = np.floor(v * (3.6 * f))
            x = _fraction(u * (2.0 * f) + (row % 2) * 0.5)
            mix = ((x < 0.12) | (_fraction(v * (3.6 * f)) < 0.2)).astype(np.float32)
        case "weave":
            mix = _triangle(u * (5.0 * f)) * _triangle(v * (5.0 * f))
        case "speckle":
            mix = (_noise_at(u, v, rng, 7.0) > 0.62).astype(np.float32)
        case "marble":
            mix = _triangle(u * (1.2 * f) + _noise_at(u, v, rng, 1.6) * 1.6)
        case "zigzag":
            mix = (_fraction(v * (2.6 * f) + _triangle(u * (2.6 * f)) * 0.5) < 0.5).astype(np.float32)
        case "lattice":
            mix = ((_triangle((u + v) * (1.9 * f)) < 0.3) | (_triangle((u - v) * (1.9 * f)) < 0.3)).astype(np.float32)
    return np.clip(mix, 0, 1).astype(np.float32)


def _noise_at(u: np.ndarray, v: np.ndarray, rng: Generator, frequency: float) -> np.ndarray:
    """A periodic noise tile looked up at (u, v), so that it turns with the object."""
    tile = smooth_noise(rng, (8, 8), (64, 64), octaves=2)
    rows = np.floor(v * np.float32(frequency * 8)).astype(np.int64) % 64
    columns = np.floor(u * np.float32(frequency * 8)).astype(np.int64) % 64
    return tile[rows, columns]
