"""One object: a category, a pose and a generator in, a coloured cut-out with its exact mask out."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from pipeline.scenes.categories import KINDS
from pipeline.scenes.outlines import Loop
from pipeline.scenes.raster import SAMPLES, cosine, coverage, sine
from pipeline.scenes.textures import pattern, smooth_noise


@dataclass(frozen=True)
class Pose:
    """How a unit-frame object lies in the image: p = centre + matrix (u, v), in pixels."""

    centre: tuple[float, float]
    matrix: tuple[float, float, float, float]

    def project(self, loop: Loop) -> Loop:
        """Return the loop in pixels of the image."""
        # Products and sums one by one: a BLAS product may fuse them and round differently.
        a, b, c, d = self.matrix
        x = loop[:, 0] * a + loop[:, 1] * b + self.centre[0]
        y = loop[:, 0] * c + loop[:, 1] * d + self.centre[1]
        return np.stack([x, y], axis=1)

    def local(self, left: int, top: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the unit-frame coordinates of a window's pixel centres, float32 [h, w] each."""
        a, b, c, d = self.matrix
        scale = 1 / (a * d - b * c)
        x = (np.arange(width) + (0.5 + left - self.centre[0])).astype(np.float32)[None]
        y = (np.arange(height) + (0.5 + top - self.centre[1])).astype(np.float32)[:, None]
        u = x * np.float32(d * scale) + y * np.float32(-b * scale)
        v = x * np.float32(-c * scale) + y * np.float32(a * scale)
        return u, v


@dataclass(frozen=True)
class Cutout:
    """A rendered object: window corner in the image, colours 0..255, opacity 0..1, exact mask."""

    left: int
    top: int
    rgb_3hw: np.ndarray
    alpha_hw: np.ndarray
    mask_hw: np.ndarray


def draw_pose(rng: Generator, radius_px: float, height_px: int, width_px: int) -> Pose:
    """Draw a pose: mostly near upright, sometimes any way round, squeezed and sheared a little."""
    turns = rng.uniform(-0.11, 0.11) if rng.random() < 0.8 else rng.uniform(-0.5, 0.5)
    c, s = float(cosine(turns)), float(sine(turns))
    wide, high = radius_px * rng.uniform(0.82, 1.15), radius_px * rng.uniform(0.82, 1.15)
    if rng.random() < 0.5:
        wide = -wide
    shear = rng.uniform(-0.18, 0.18)
    margin = 0.55 * radius_px
    centre = (
        rng.uniform(margin, max(width_px - margin, margin + 1)),
        rng.uniform(margin, max(height_px - margin, margin + 1)),
    )
    matrix = (c * wide, (c * shear - s) * high, s * wide, (s * shear + c) * high)
    return Pose(centre, matrix)


def render(
    category: str, pose: Pose, tones_53: np.ndarray, light_xy: tuple[float, float], rng: Generator
) -> Cutout:
    """Render an object whole, also where it reaches beyond the image."""
    kind = KINDS[category]
    parts = kind.shape(rng)
    every = pose.project(np.concatenate([loop for part in parts for loop in part.loops]))
    left, top = (int(value) for value in np.floor(every.min(0)) - 1)
    right, bottom = (int(value) for value in np.ceil(every.max(0)) + 1)
    height, width = bottom - top, right - left
    u, v = pose.local(left, top, height, width)
    mix = pattern(kind.patterns[int(rng.integers(len(kind.patterns)))], u, v, rng)
    tones_5311 = tones_53[:, :, None, None]
    body = tones_5311[0] + mix * (tones_5311[4] - tones_5311[0])
    rgb_3hw = np.zeros((3, height, width), np.float32)
    alpha_hw = np.zeros((height, width), np.float32)
    every -= (left, top)
    done = 0
    for part in parts:
        ends = done + np.cumsum([len(loop) for loop in part.loops])
        loops = np.split(every[done : ends[-1]], ends[:-1] - done)
        done = int(ends[-1])
        opacity = coverage(loops, height, width) / np.float32(SAMPLES**2)
        colour = body if part.tone == 0 else tones_5311[part.tone]
        rgb_3hw += opacity * (colour - rgb_3hw)
        alpha_hw += opacity * (1 - alpha_hw)
    # What the body's edge mixed with black above is divided out again: colours at full strength.
    rgb_3hw *= _shading(u, v, alpha_hw, light_xy, rng) / np.maximum(alpha_hw, np.float32(0.25))
    return Cutout(left, top, rgb_3hw, alpha_hw, alpha_hw >= 0.5)


def _shading(
    u: np.ndarray,
    v: np.ndarray,
    alpha_hw: np.ndarray,
    light_xy: tuple[float, float],
    rng: Generator,
) -> np.ndarray:
    """Brightness factor: a slope towards the light, a bevelled edge, and a little wear."""
    slope = np.float32(rng.uniform(0.05, 0.35))
    shade = 1 + slope * (u * np.float32(light_xy[0]) + v * np.float32(light_xy[1]))
    step = max(1, min(alpha_hw.shape) // 24)
    dx, dy = (int(np.floor(value * step + 0.5)) for value in light_xy)
    relief = np.roll(alpha_hw, (-dy, -dx), (0, 1)) - np.roll(alpha_hw, (dy, dx), (0, 1))
    shade -= np.float32(rng.uniform(0.0, 0.3)) * relief
    wear = smooth_noise(rng, (5, 5), alpha_hw.shape, octaves=2)
    return shade * (1 + np.float32(rng.uniform(0.05, 0.3)) * (wear - np.float32(0.5)))
