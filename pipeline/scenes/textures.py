"""Surface patterns: local coordinates of an object in, a 0..1 mix of its two colours out.

Only +, -, *, /, sqrt, floor and comparisons of float32 are used: IEEE 754 rounds those the same way
everywhere, which libm's functions do not.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

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


class Surface(NamedTuple):
    """Where a pattern is evaluated: about the object's middle, and shifted by a random offset."""

    middle_u: np.ndarray
    middle_v: np.ndarray
    u: np.ndarray
    v: np.ndarray
    scale: float
    """Random factor on the pattern's frequency."""
    rng: Generator


def pattern(kind: Pattern, u: np.ndarray, v: np.ndarray, rng: Generator) -> np.ndarray:
    """Return the mix 0..1, float32, at local coordinates u, v (about -1..1 over the object)."""
    scale = float(np.float32(rng.uniform(0.8, 1.25)))
    shifted_u = u + np.float32(rng.uniform(0, 4))
    shifted_v = v + np.float32(rng.uniform(0, 4))
    mix = _PATTERNS[kind](Surface(u, v, shifted_u, shifted_v, scale, rng))
    return np.clip(mix, 0, 1).astype(np.float32)


def _plain(s: Surface) -> np.ndarray:
    return _noise_at(s.u, s.v, s.rng, 1.5) * 0.35


def _stripes(s: Surface) -> np.ndarray:
    return _fraction(s.u * (3.0 * s.scale)) < 0.5


def _bands(s: Surface) -> np.ndarray:
    return _triangle(s.v * (2.2 * s.scale))


def _rings(s: Surface) -> np.ndarray:
    radius = np.sqrt(s.middle_u * s.middle_u + s.middle_v * s.middle_v)
    return _triangle(radius * (3.0 * s.scale))


def _dots(s: Surface) -> np.ndarray:
    x, y = _fraction(s.u * (2.8 * s.scale)) - 0.5, _fraction(s.v * (2.8 * s.scale)) - 0.5
    return x * x + y * y < 0.085


def _checker(s: Surface) -> np.ndarray:
    return (np.floor(s.u * (3.2 * s.scale)) + np.floor(s.v * (3.2 * s.scale))) % 2


def _grain(s: Surface) -> np.ndarray:
    return _noise_at(s.u * 0.35, s.v * 3.0, s.rng, 2.0)


def _scales(s: Surface) -> np.ndarray:
    row = np.floor(s.v * (4.5 * s.scale))
    x = _fraction(s.u * (3.5 * s.scale) + (row % 2) * 0.5) - 0.5
    y = _fraction(s.v * (4.5 * s.scale))
    return (x * x + y * y * 0.3) * 2.2


def _sectors(s: Surface) -> np.ndarray:
    # A ratio of coordinates stands in for the angle: no arctangent, and as good to look at.
    across = np.abs(s.middle_u) + np.abs(s.middle_v) + np.float32(1e-3)
    return _triangle(s.middle_v / across * (2.5 * s.scale))


def _shade(s: Surface) -> np.ndarray:
    low, high = s.v.min(), s.v.max()
    return (s.v - low) / np.maximum(high - low, np.float32(1e-3))


def _bricks(s: Surface) -> np.ndarray:
    row = np.floor(s.v * (3.6 * s.scale))
    x = _fraction(s.u * (2.0 * s.scale) + (row % 2) * 0.5)
    return (x < 0.12) | (_fraction(s.v * (3.6 * s.scale)) < 0.2)


def _weave(s: Surface) -> np.ndarray:
    return _triangle(s.u * (5.0 * s.scale)) * _triangle(s.v * (5.0 * s.scale))


def _speckle(s: Surface) -> np.ndarray:
    return _noise_at(s.u, s.v, s.rng, 7.0) > 0.62


def _marble(s: Surface) -> np.ndarray:
    return _triangle(s.u * (1.2 * s.scale) + _noise_at(s.u, s.v, s.rng, 1.6) * 1.6)


def _zigzag(s: Surface) -> np.ndarray:
    return _fraction(s.v * (2.6 * s.scale) + _triangle(s.u * (2.6 * s.scale)) * 0.5) < 0.5


def _lattice(s: Surface) -> np.ndarray:
    along, across = (s.u + s.v) * (1.9 * s.scale), (s.u - s.v) * (1.9 * s.scale)
    return (_triangle(along) < 0.3) | (_triangle(across) < 0.3)


_PATTERNS: dict[Pattern, Callable[[Surface], np.ndarray]] = {
    "plain": _plain,
    "stripes": _stripes,
    "bands": _bands,
    "rings": _rings,
    "dots": _dots,
    "checker": _checker,
    "grain": _grain,
    "scales": _scales,
    "sectors": _sectors,
    "shade": _shade,
    "bricks": _bricks,
    "weave": _weave,
    "speckle": _speckle,
    "marble": _marble,
    "zigzag": _zigzag,
    "lattice": _lattice,
}


def _noise_at(u: np.ndarray, v: np.ndarray, rng: Generator, frequency: float) -> np.ndarray:
    """A periodic noise tile looked up at (u, v), so that it turns with the object."""
    tile = smooth_noise(rng, (8, 8), (64, 64), octaves=2)
    rows = np.floor(v * np.float32(frequency * 8)).astype(np.int64) % 64
    columns = np.floor(u * np.float32(frequency * 8)).astype(np.int64) % 64
    return tile[rows, columns]
