"""The vocabulary of outlines: closed loops of corners, counter-clockwise, in a unit frame.

A loop is float64 [V, 2], (x, y) with y down; objects fill roughly [-1, 1]. Loops that overlap
merge; a reversed loop (`hole`) cuts.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from pipeline.scenes.raster import cosine, sine

Loop = np.ndarray


class Part(NamedTuple):
    """Loops filled with one tone: 0 the textured body, 1 a second colour, 2 dark, 3 pale."""

    tone: int
    loops: tuple[Loop, ...]


Shape = list[Part]
"""An object's parts in the order of painting."""


@cache
def _circle(corner_count: int) -> Loop:
    turns = np.arange(corner_count) / corner_count
    return np.stack([cosine(turns), sine(turns)], axis=1)


def hole(loop: Loop) -> Loop:
    """Return the loop as a cut-out."""
    return loop[::-1]


def disc(x: float, y: float, rx: float, ry: float | None = None) -> Loop:
    """An ellipse around (x, y)."""
    return _circle(28) * (rx, rx if ry is None else ry) + (x, y)


def box(left: float, top: float, right: float, bottom: float) -> Loop:
    """An upright rectangle."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)


def corners(*points: tuple[float, float]) -> Loop:
    """A polygon, turned counter-clockwise if it is not."""
    loop = np.array(points, float)
    following = np.roll(loop, -1, axis=0)
    area = (loop[:, 0] * following[:, 1] - following[:, 0] * loop[:, 1]).sum()
    return loop if area >= 0 else loop[::-1]


def spokes(radii: Sequence[float] | np.ndarray, x: float = 0.0, y: float = 0.0) -> Loop:
    """A loop from radii at equal angles, starting at the right."""
    radius = np.asarray(radii, float)
    return _circle(len(radius)) * radius[:, None] + (x, y)


def star(points: int, inner: float, outer: float = 1.0, turn: float = 0.75) -> Loop:
    """A star with its first point up."""
    return turned(spokes([outer, inner] * points), turn)


def regular(sides: int, radius: float = 1.0, turn: float = 0.75) -> Loop:
    """A regular polygon, first corner up."""
    return turned(spokes([radius] * sides), turn)


def turned(loop: Loop, turns: float, x: float = 0.0, y: float = 0.0) -> Loop:
    """Return the loop rotated about (x, y), clockwise on the screen."""
    c, s = float(cosine(turns)), float(sine(turns))
    dx, dy = loop[:, 0] - x, loop[:, 1] - y
    return np.stack([x + c * dx - s * dy, y + s * dx + c * dy], axis=1)


def moved(loop: Loop, x: float, y: float) -> Loop:
    """Return the loop shifted."""
    return loop + np.array((x, y))


def mirrored(loop: Loop) -> Loop:
    """Return the loop with left and right swapped, still counter-clockwise."""
    return (loop * (-1.0, 1.0))[::-1]


def stroke(points: Sequence[tuple[float, float]], width: float) -> tuple[Loop, ...]:
    """A thick line with round joints."""
    loops: list[Loop] = [disc(x, y, width / 2) for x, y in points]
    for (x0, y0), (x1, y1) in pairwise(points):
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        if length > 0:
            nx, ny = (y1 - y0) / length * width / 2, (x0 - x1) / length * width / 2
            loops.append(
                corners(
                    (x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)
                )
            )
    return tuple(loops)


def arc(
    centre: tuple[float, float], radius: float, span_turns: tuple[float, float], width: float
) -> tuple[Loop, ...]:
    """A thick circular arc from one angle to another."""
    turns = np.linspace(*span_turns, 13)
    xs, ys = centre[0] + radius * cosine(turns), centre[1] + radius * sine(turns)
    return stroke(list(zip(xs.tolist(), ys.tolist(), strict=True)), width)


def ring(x: float, y: float, outer: float, inner: float) -> tuple[Loop, Loop]:
    """A disc with a round hole."""
    return disc(x, y, outer), hole(disc(x, y, inner))


def blade(length: float, width: float, belly: float = 0.5) -> Loop:
    """A pointed oval from (0, 0) to (length, 0), widest at `belly` of its length."""
    along = np.linspace(0.0, 1.0, 13)
    # Two parabolas that meet at the belly.
    height = np.where(
        along < belly, 1 - ((belly - along) / belly) ** 2, 1 - ((along - belly) / (1 - belly)) ** 2
    )
    upper = np.stack([along * length, -height * width / 2], axis=1)
    lower = np.stack([along[-2:0:-1] * length, height[-2:0:-1] * width / 2], axis=1)
    return np.concatenate([upper, lower])


def blob(radii: np.ndarray, corner_count: int = 48) -> Loop:
    """A smooth loop through a few radii at equal angles."""
    place = np.arange(corner_count) * (len(radii) / corner_count)
    left = np.floor(place).astype(np.int64)
    part = place - left
    part = part * part * (3 - 2 * part)
    smooth = radii[left % len(radii)] * (1 - part) + radii[(left + 1) % len(radii)] * part
    return spokes(smooth)
