"""Simulate the annotation a person would draw, from an object's true mask and a seed.

VRP-SAM, appendix A: 1-20 points, the tight box, 1-20 free-form strokes, or the mask itself. The
strokes follow J. Yu et al. 2019 (free-form inpainting): zigzags of 4-12 corners whose legs turn by
48-96 degrees, about an eighth of the diagonal long. Every operation is on integers or is one that
IEEE 754 rounds exactly (+ - * / sqrt), so an annotation is the same on every platform.
"""

import math
from itertools import pairwise

import numpy as np

from model.draws import Draws
from model.masks.extent import extent_of
from model.segmenter import Drawn
from schemas.job.episode import AnnotationFormat
from schemas.job.reference import Box, Points

MOST_POINTS = 20
MOST_STROKES = 20
CORNERS = (4, 12)
# tan(u / 2) of a turn by u between 48 and 96 degrees, in 1024ths: with t = tan(u / 2) the cosine
# and sine are (1 - t^2) / (1 + t^2) and 2 t / (1 + t^2), without a libm whose last digit varies.
HALF_TURN_1024 = (456, 1137)
# Yu's brushes are 12-40 px for a whole 256 px image; a scribble on one object is thinner.
BRUSH_DIVISORS = (60, 20)  # of the object's diagonal
THINNEST_BRUSH_PX = 3  # a slanted line of this width has no gaps

Corner = tuple[int, int]


def simulate_annotation(mask_HW: np.ndarray, form: AnnotationFormat, draws: Draws) -> Drawn:
    """Return an annotation of the object in mask_HW, bool and not empty, in its pixels.

    Scribbles come as a mask: strokes clipped to the object, never empty. Raises ValueError for an
    empty mask.
    """
    if not mask_HW.any():
        raise ValueError("an empty mask shows no object to annotate")
    match form:
        case "mask":
            return mask_HW
        case "box":
            left, top, right, bottom = _tight_box(mask_HW)
            return Box(type="box", xyxy=(left, top, right, bottom))
        case "points":
            pixels_P = np.flatnonzero(mask_HW)
            count = min(draws.between(1, MOST_POINTS), len(pixels_P))
            drawn = draws.distinct(count, len(pixels_P))
            places = [divmod(int(pixels_P[place]), mask_HW.shape[1]) for place in drawn]
            return Points(type="points", points=tuple((x + 0.5, y + 0.5) for y, x in places))
        case "scribbles":
            return _scribble(mask_HW, draws)


def _tight_box(mask_HW: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom in pixel edges."""
    extent = extent_of(mask_HW)
    assert extent is not None, "an object to annotate has a pixel"
    return extent


def _scribble(mask_HW: np.ndarray, draws: Draws) -> np.ndarray:
    left, top, right, bottom = _tight_box(mask_HW)
    object_hw = mask_HW[top:bottom, left:right]
    pixels_P = np.flatnonzero(object_hw)
    strokes_hw = np.zeros_like(object_hw)
    diagonal_px = math.isqrt(object_hw.shape[0] ** 2 + object_hw.shape[1] ** 2)
    thin, thick = (max(diagonal_px // divisor, THINNEST_BRUSH_PX) for divisor in BRUSH_DIVISORS)
    for _ in range(draws.between(1, MOST_STROKES)):
        # A stroke starts on the object, so that clipping leaves something of every stroke.
        y, x = divmod(int(pixels_P[draws.below(len(pixels_P))]), object_hw.shape[1])
        width_px = draws.between(thin, thick)
        corners = _zigzag((y, x), object_hw.shape, diagonal_px / 8, draws)
        _dab(strokes_hw, corners[0], width_px)
        for start, end in pairwise(corners):
            _draw_leg(strokes_hw, start, end, width_px)
    clipped_HW = np.zeros_like(mask_HW)
    clipped_HW[top:bottom, left:right] = strokes_hw & object_hw
    return clipped_HW


def _zigzag(start: Corner, size_hw: tuple[int, ...], leg_px: float, draws: Draws) -> list[Corner]:
    """Return corners (y, x) of one stroke, clipped to size_hw: legs turn left and right in turn."""
    heading_y, heading_x = _direction(draws)
    corners = [start]
    for number in range(draws.between(*CORNERS) - 1):
        t = draws.between(*HALF_TURN_1024) / 1024
        cosine = (1 - t * t) / (1 + t * t)
        sine = 2 * t / (1 + t * t) * (1 if number % 2 else -1)
        length = (draws.unit() + draws.unit()) * leg_px
        y = corners[-1][0] + length * (heading_y * cosine + heading_x * sine)
        x = corners[-1][1] + length * (heading_x * cosine - heading_y * sine)
        corners.append(
            (min(max(round(y), 0), size_hw[0] - 1), min(max(round(x), 0), size_hw[1] - 1))
        )
    return corners


def _direction(draws: Draws) -> tuple[float, float]:
    """Return a unit vector, every direction equally likely: a random point of the disc, scaled."""
    radius = 2**15
    while True:
        y, x = draws.between(-radius, radius), draws.between(-radius, radius)
        if 0 < y * y + x * x <= radius * radius:
            norm = math.sqrt(y * y + x * x)
            return y / norm, x / norm


def _draw_leg(canvas_hw: np.ndarray, start: Corner, end: Corner, width_px: int) -> None:
    """Set the pixels of a bar as wide as the brush, and of a dab of the brush at its end."""
    leg_y, leg_x = end[0] - start[0], end[1] - start[1]
    squared = leg_y * leg_y + leg_x * leg_x
    patch_hw, y_h1, x_1w = _patch(canvas_hw, start, end, (width_px + 1) // 2)
    along_hw = y_h1 * leg_y + x_1w * leg_x
    across_hw = y_h1 * leg_x - x_1w * leg_y
    # The distance from the line is across / leg length: 4 d^2 <= width^2, in integers.
    bar_hw = 2 * np.abs(across_hw) <= math.isqrt(width_px * width_px * squared)
    bar_hw &= along_hw >= 0
    bar_hw &= along_hw < squared  # so nothing for a leg of no length
    patch_hw |= bar_hw
    _dab(canvas_hw, end, width_px)


def _dab(canvas_hw: np.ndarray, centre: Corner, width_px: int) -> None:
    patch_hw, y_h1, x_1w = _patch(canvas_hw, centre, centre, (width_px + 1) // 2)
    patch_hw |= 4 * (y_h1 * y_h1 + x_1w * x_1w) <= width_px * width_px


def _patch(
    canvas_hw: np.ndarray, start: Corner, end: Corner, reach_px: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the part of a canvas around a leg, and its pixels' y and x seen from the start."""
    top = max(min(start[0], end[0]) - reach_px, 0)
    left = max(min(start[1], end[1]) - reach_px, 0)
    bottom, right = (max(start[axis], end[axis]) + reach_px + 1 for axis in (0, 1))
    patch_hw = canvas_hw[top:bottom, left:right]
    y_h1 = np.arange(top, top + patch_hw.shape[0], dtype=np.int64)[:, None] - start[0]
    x_1w = np.arange(left, left + patch_hw.shape[1], dtype=np.int64)[None, :] - start[1]
    return patch_hw, y_h1, x_1w
