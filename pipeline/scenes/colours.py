"""Colours of objects and backgrounds: a palette's ranges in, RGB out."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator


class Palette(NamedTuple):
    """Ranges of a colour: hue in turns, saturation and value."""

    hue: tuple[float, float] = (0.0, 1.0)
    saturation: tuple[float, float] = (0.0, 1.0)
    value: tuple[float, float] = (0.1, 1.0)


def rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    """HSV (hue in turns) to float32 RGB in 0..255."""
    offsets = np.array((5.0, 3.0, 1.0))
    k = (offsets + hue * 6) % 6
    ramp = np.clip(np.minimum(k, 4 - k), 0, 1)
    return (255 * value * (1 - saturation * ramp)).astype(np.float32)


def draw(palette: Palette, rng: Generator) -> np.ndarray:
    """Draw one RGB colour."""
    return rgb(
        rng.uniform(*palette.hue), rng.uniform(*palette.saturation), rng.uniform(*palette.value)
    )


def tones(body: Palette, accent: Palette, rng: Generator) -> np.ndarray:
    """Draw an instance's colours, float32 [5, 3]: body, second, dark, pale, the body's pattern."""
    dark = rgb(rng.random(), rng.uniform(0.1, 0.5), rng.uniform(0.08, 0.3))
    pale = rgb(rng.random(), rng.uniform(0.0, 0.2), rng.uniform(0.8, 1.0))
    return np.stack([draw(body, rng), draw(accent, rng), dark, pale, draw(accent, rng)])
