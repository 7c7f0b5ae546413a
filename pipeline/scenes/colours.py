"""Colours of objects and backgrounds: a palette's ranges in, RGB out."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator


class Palette(NamedTuple):
    """Ranges of a category's colours. Hues are in turns and wide, so that colour alone names
    no category."""

    hue: tuple[float, float] = (0.0, 1.0)
    saturation: tuple[float, float] = (0.3, 0.95)
    value: tuple[float, float] = (0.35, 0.95)


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


def tones(palette: Palette, rng: Generator) -> np.ndarray:
    """Draw an instance's colours, float32 [5, 3]: body, second, dark, pale, the body's pattern."""
    hue = rng.uniform(*palette.hue)
    saturation = rng.uniform(*palette.saturation)
    value = rng.uniform(*palette.value)
    body = rgb(hue, saturation, value)
    near = rng.random() < 0.5
    second_hue = hue + (rng.uniform(-0.08, 0.08) if near else rng.uniform(0.2, 0.8))
    second = rgb(
        second_hue, rng.uniform(0.2, 0.9), _apart(value, rng) if near else rng.uniform(0.3, 0.95)
    )
    dark = rgb(rng.random(), rng.uniform(0.1, 0.5), rng.uniform(0.08, 0.3))
    pale = rgb(rng.random(), rng.uniform(0.0, 0.2), rng.uniform(0.8, 1.0))
    figure = rgb(hue + rng.uniform(-0.1, 0.1), rng.uniform(0.1, 0.9), _apart(value, rng))
    return np.stack([body, second, dark, pale, figure])


def _apart(value: float, rng: Generator) -> float:
    """A brightness clearly different from another."""
    step = rng.uniform(0.22, 0.5)
    return value - step if value - step > 0.12 else min(value + step, 1.0)
