"""Outlines of tools and household things: a seeded generator in, coloured parts out.

Each function draws one category in the unit frame; every instance differs in its proportions.
"""

import numpy as np
from numpy.random import Generator

from pipeline.scenes.outlines import (
    Part,
    Shape,
    arc,
    blade,
    box,
    corners,
    disc,
    hole,
    mirrored,
    moved,
    regular,
    ring,
    spokes,
    stroke,
    turned,
)


def gear(rng: Generator) -> Shape:
    """A toothed wheel with a bore."""
    teeth = int(rng.integers(8, 13))
    deep = rng.uniform(0.72, 0.8)
    rim = spokes([1.0, 1.0, deep, deep] * teeth)
    return [
        Part(0, (rim, hole(disc(0, 0, rng.uniform(0.25, 0.35))))),
        Part(1, (disc(0, 0, 0.55), hole(disc(0, 0, 0.36)))),
    ]


def key(rng: Generator) -> Shape:
    """A ring, a shaft and two teeth."""
    size = rng.uniform(0.36, 0.44)
    teeth = (box(0.5, 0.05, 0.65, rng.uniform(0.3, 0.45)), box(0.78, 0.05, 0.93, 0.36))
    return [Part(0, (*ring(-0.55, 0, size, size * 0.5), box(-0.2, -0.11, 0.98, 0.11), *teeth))]


def hammer(rng: Generator) -> Shape:
    """A long handle with a block head and a claw."""
    head = corners((-0.55, -0.9), (0.3, -0.9), (0.75, -0.6), (0.3, -0.55), (-0.55, -0.5))
    return [
        Part(1, (box(-0.13, -0.6, 0.13, rng.uniform(0.8, 1.0)),)),
        Part(0, (head,)),
    ]


def wrench(rng: Generator) -> Shape:
    """A shaft with an open jaw at each end."""
    jaw = rng.uniform(0.3, 0.36)
    return [
        Part(0, (disc(0, 0.68, jaw * 0.85), hole(moved(regular(6, 0.15), 0, 0.68)))),
        Part(0, (disc(0, -0.65, jaw), hole(box(-0.12, -1.1, 0.12, -0.68)))),
        Part(0, (box(-0.14, -0.45, 0.14, 0.5),)),
    ]


def scissors(rng: Generator) -> Shape:
    """Two crossed blades with ring handles."""
    spread = rng.uniform(0.05, 0.09)
    blade_loop = moved(turned(blade(1.25, 0.22, 0.3), 0.75 + spread), -0.05, 0.2)
    grip = ring(-0.38, 0.66, 0.3, 0.16)
    bar = stroke([(0.0, 0.1), (-0.25, 0.5)], 0.14)
    return [
        Part(0, (blade_loop, mirrored(blade_loop))),
        Part(1, grip),
        Part(1, (ring(0.38, 0.66, 0.3, 0.16))),
        Part(1, (*bar, *(mirrored(loop) for loop in bar))),
        Part(2, (disc(0, 0.12, 0.07),)),
    ]


def anchor(rng: Generator) -> Shape:
    """A shank with a ring, a bar and a curved base with flukes."""
    reach = rng.uniform(0.6, 0.72)
    return [
        Part(0, ring(0, -0.8, 0.2, 0.1)),
        Part(0, (*stroke([(0, -0.6), (0, 0.8)], 0.18), *stroke([(-0.4, -0.4), (0.4, -0.4)], 0.14))),
        Part(0, arc((0, 0.15), reach, (0.04, 0.46), 0.18)),
        Part(
            0,
            (
                corners((0.45, 0.3), (0.95, 0.35), (0.8, -0.1)),
                corners((-0.45, 0.3), (-0.95, 0.35), (-0.8, -0.1)),
            ),
        ),
    ]


def comb(rng: Generator) -> Shape:
    """A back with a row of teeth."""
    teeth = int(rng.integers(6, 10))
    pitch = 1.8 / teeth
    tines = tuple(box(-0.9 + k * pitch, -0.2, -0.9 + (k + 0.55) * pitch, 0.5) for k in range(teeth))
    return [Part(0, (box(-0.95, -0.5, 0.95, -0.12), *tines))]


def fork(rng: Generator) -> Shape:
    """Tines, a neck and a handle."""
    tines = int(rng.integers(3, 5))
    pitch = 0.6 / (tines - 1)
    loops = tuple(
        loop
        for k in range(tines)
        for loop in stroke([(-0.3 + k * pitch, -0.9), (-0.3 + k * pitch, -0.4)], 0.11)
    )
    return [
        Part(0, (*loops, disc(0, -0.35, 0.36, 0.22), box(-0.1, -0.3, 0.1, 0.4))),
        Part(1, (disc(0, 0.65, 0.15, 0.35),)),
    ]


def ladder(rng: Generator) -> Shape:
    """Two rails and rungs."""
    rungs = int(rng.integers(4, 7))
    wide = rng.uniform(0.35, 0.5)
    bars = tuple(
        box(-wide, y - 0.07, wide, y + 0.07) for y in np.linspace(-0.75, 0.75, rungs).tolist()
    )
    return [
        Part(1, bars),
        Part(0, (box(-wide - 0.09, -1, -wide + 0.09, 1), box(wide - 0.09, -1, wide + 0.09, 1))),
    ]


def hourglass(rng: Generator) -> Shape:
    """Two cones between two plates."""
    waist = rng.uniform(0.06, 0.12)
    glass = (
        corners((-0.5, -0.8), (0.5, -0.8), (waist, 0), (-waist, 0)),
        corners((-waist, 0), (waist, 0), (0.5, 0.8), (-0.5, 0.8)),
    )
    return [
        Part(0, glass),
        Part(1, (box(-0.65, -1, 0.65, -0.78), box(-0.65, 0.78, 0.65, 1))),
        Part(3, (corners((-0.35, 0.78), (0.35, 0.78), (0, 0.35)),)),
    ]


def glasses(rng: Generator) -> Shape:
    """Two rims, a bridge and temples."""
    size = rng.uniform(0.36, 0.43)
    return [
        Part(3, (disc(-0.5, 0, size * 0.8), disc(0.5, 0, size * 0.8))),
        Part(0, ring(-0.5, 0, size, size * 0.72)),
        Part(0, ring(0.5, 0, size, size * 0.72)),
        Part(
            0,
            (
                *stroke([(-0.15, -0.05), (0.15, -0.05)], 0.12),
                *stroke([(-0.85, -0.1), (-1, -0.4)], 0.1),
                *stroke([(0.85, -0.1), (1, -0.4)], 0.1),
            ),
        ),
    ]


def guitar(rng: Generator) -> Shape:
    """A waisted body with a sound hole, a neck and a head."""
    lower = rng.uniform(0.42, 0.5)
    body = (disc(0, 0.55, lower, 0.42), disc(0, 0.05, lower * 0.75, 0.32))
    return [
        Part(1, (box(-0.07, -0.75, 0.07, 0.2), box(-0.13, -1.0, 0.13, -0.72))),
        Part(0, body),
        Part(2, (disc(0, 0.2, 0.15), box(-0.18, 0.66, 0.18, 0.74))),
    ]


def bell(rng: Generator) -> Shape:
    """A flared bell with a clapper and a loop."""
    waist = rng.uniform(0.38, 0.5)
    body = corners(
        (-0.2, -0.75), (0.2, -0.75), (waist, -0.35), (waist + 0.05, 0.3), (0.85, 0.65),
        (-0.85, 0.65), (-waist - 0.05, 0.3), (-waist, -0.35),
    )  # fmt: skip
    return [
        Part(2, (disc(0, 0.75, 0.18),)),
        Part(1, ring(0, -0.85, 0.15, 0.07)),
        Part(0, (body,)),
        Part(1, (box(-0.85, 0.5, 0.85, 0.65),)),
    ]


def clock(rng: Generator) -> Shape:
    """A dial with hour marks, two hands and two bells."""
    marks = tuple(turned(box(-0.04, -0.68, 0.04, -0.55), k / 8) for k in range(8))
    hands = (
        turned(box(-0.04, -0.5, 0.04, 0.05), rng.random()),
        turned(box(-0.05, -0.32, 0.05, 0.05), rng.random()),
    )
    return [
        Part(1, (disc(-0.5, -0.75, 0.26), disc(0.5, -0.75, 0.26))),
        Part(0, (disc(0, 0.05, 0.88),)),
        Part(3, (disc(0, 0.05, 0.7),)),
        Part(2, tuple(moved(loop, 0, 0.05) for loop in (*marks, *hands))),
    ]


def lamp(rng: Generator) -> Shape:
    """A flared shade over a post and a foot."""
    top = rng.uniform(0.25, 0.4)
    return [
        Part(2, (*stroke([(0, -0.1), (0, 0.85)], 0.12), disc(0, 0.9, 0.42, 0.1))),
        Part(0, (corners((-top, -0.95), (top, -0.95), (0.7, 0.0), (-0.7, 0.0)),)),
    ]


def chair(rng: Generator) -> Shape:
    """A side view: back, seat and legs."""
    seat = rng.uniform(0.0, 0.2)
    return [
        Part(
            1,
            (
                *stroke([(-0.45, seat), (-0.55, 0.95)], 0.14),
                *stroke([(0.45, seat), (0.55, 0.95)], 0.14),
            ),
        ),
        Part(
            0,
            (*stroke([(-0.45, seat), (-0.6, -0.95)], 0.2), box(-0.6, seat - 0.1, 0.6, seat + 0.12)),
        ),
    ]
