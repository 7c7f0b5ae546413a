"""Outlines of animals: a seeded generator in, coloured parts out.

Each function draws one category in the unit frame; every instance differs in its proportions.
"""

import numpy as np
from numpy.random import Generator

from pipeline.scenes.outlines import (
    Loop,
    Part,
    Shape,
    blade,
    corners,
    disc,
    mirrored,
    moved,
    spokes,
    stroke,
    turned,
)
from pipeline.scenes.raster import cosine


def fish(rng: Generator) -> Shape:
    """A body with a forked tail, fins and an eye."""
    height, tail = rng.uniform(0.3, 0.5), rng.uniform(0.3, 0.5)
    body = blade(1.5, 2 * height, 0.4) - (0.95, 0)
    return [
        Part(1, (corners((0.3, 0), (0.95, -tail), (0.78, 0), (0.95, tail)),)),
        Part(1, (corners((-0.4, -height * 0.7), (0.2, -height * 1.5), (0.3, -height * 0.4)),)),
        Part(0, (body,)),
        Part(1, (corners((-0.3, 0.05), (0.1, height * 0.7), (0.12, 0.1)),)),
        Part(3, (disc(-0.62, -0.08, 0.1),)),
        Part(2, (disc(-0.63, -0.08, 0.05),)),
    ]


def shell(rng: Generator) -> Shape:
    """A scallop: a ribbed fan on a small hinge."""
    ribs = int(rng.integers(5, 8))
    turns = np.linspace(0.56, 0.94, ribs * 2 + 1)
    radius = np.where(np.arange(ribs * 2 + 1) % 2 == 0, 1.35, 1.5)
    rim = moved(np.stack([cosine(turns) * radius, cosine(turns - 0.25) * radius], axis=1), 0, 0.75)
    fan = corners((0.0, 0.8), *[(float(x), float(y)) for x, y in rim])
    lines = [stroke([(0, 0.7), (float(x) * 0.9, float(y) * 0.9 + 0.07)], 0.05) for x, y in rim[::2]]
    return [
        Part(1, (corners((-0.4, 0.55), (0.4, 0.55), (0.3, 0.88), (-0.3, 0.88)),)),
        Part(0, (fan,)),
        Part(1, tuple(loop for line in lines for loop in line)),
    ]


def butterfly(rng: Generator) -> Shape:
    """Two pairs of spotted wings on a thin body with feelers."""
    upper = turned(disc(0.55, 0, rng.uniform(0.48, 0.56), rng.uniform(0.32, 0.42)), 0.9)
    lower = turned(disc(0.45, 0, 0.4, rng.uniform(0.26, 0.36)), 0.12)
    spot = disc(0.5, -0.38, 0.13)
    return [
        Part(0, (upper, mirrored(upper))),
        Part(0, (lower, mirrored(lower))),
        Part(1, (spot, mirrored(spot), disc(0.38, 0.36, 0.1), disc(-0.38, 0.36, 0.1))),
        Part(2, (disc(0, 0, 0.08, 0.6), *stroke([(0.02, -0.5), (0.25, -0.92)], 0.05))),
        Part(2, stroke([(-0.02, -0.5), (-0.25, -0.92)], 0.05)),
    ]


def bird(rng: Generator) -> Shape:
    """A round body, a head with a beak, a wing, a long tail and legs."""
    body = turned(disc(0, 0.1, 0.58, rng.uniform(0.36, 0.46)), 0.02)
    tail = corners((0.35, -0.05), (1.0, rng.uniform(-0.5, -0.1)), (1.0, 0.05), (0.4, 0.25))
    return [
        Part(
            2,
            (*stroke([(-0.1, 0.4), (-0.15, 0.9)], 0.07), *stroke([(0.15, 0.4), (0.1, 0.9)], 0.07)),
        ),
        Part(1, (tail,)),
        Part(0, (body, disc(-0.45, -0.38, 0.3))),
        Part(1, (moved(turned(blade(0.8, 0.42), 0.06), -0.25, 0.0),)),
        Part(3, (corners((-0.7, -0.46), (-1.0, -0.34), (-0.7, -0.28)),)),
        Part(2, (disc(-0.53, -0.44, 0.06),)),
    ]


def snail(rng: Generator) -> Shape:
    """A spiral shell on a long foot with two feelers."""
    foot = corners(
        (-0.95, 0.75), (0.95, 0.75), (0.6, 0.5), (-0.5, 0.4), (-0.65, -0.15), (-0.9, -0.15)
    )
    turns = np.linspace(0.0, 2.2, 26)
    radius = np.linspace(0.08, rng.uniform(0.46, 0.52), 26)
    xs, ys = 0.2 + radius * cosine(turns), 0.0 + radius * cosine(turns - 0.25)
    spiral = stroke(list(zip(xs.tolist(), ys.tolist(), strict=True)), 0.07)
    feelers = (
        *stroke([(-0.7, -0.1), (-0.6, -0.5)], 0.06),
        *stroke([(-0.85, -0.1), (-0.95, -0.5)], 0.06),
    )
    return [Part(1, (foot, *feelers)), Part(0, (disc(0.2, 0, 0.62),)), Part(2, spiral)]


def turtle(rng: Generator) -> Shape:
    """A domed shell seen from above with four flippers and a head."""
    flipper = turned(disc(0.75, 0, 0.3, 0.15), 0.12)
    front = turned(disc(0.78, 0, rng.uniform(0.3, 0.4), 0.15), 0.88)
    shell_loop = disc(0, 0, rng.uniform(0.6, 0.7), rng.uniform(0.7, 0.8))
    plate = spokes([0.3] * 6)
    return [
        Part(1, (flipper, mirrored(flipper), front, mirrored(front), disc(0, -0.85, 0.2, 0.25))),
        Part(0, (shell_loop,)),
        Part(1, (plate,)),
    ]


def octopus(rng: Generator) -> Shape:
    """A big head with eyes over six wavy arms."""
    arms: list[Loop] = []
    bend = rng.uniform(-0.15, 0.15)
    for x in (-0.5, -0.3, -0.1, 0.1, 0.3, 0.5):
        arms += stroke([(x, 0.1), (x * 1.6 + bend, 0.5), (x * 1.9 - bend, 0.92)], 0.16)
    head = disc(0, -0.3, 0.58, rng.uniform(0.55, 0.68))
    eyes = (disc(-0.2, -0.15, 0.12), disc(0.2, -0.15, 0.12))
    return [
        Part(0, (*arms, head)),
        Part(3, eyes),
        Part(2, (disc(-0.2, -0.12, 0.06), disc(0.2, -0.12, 0.06))),
    ]


def snake(rng: Generator) -> Shape:
    """A wavy body that thickens to a head with a tongue."""
    sway = rng.uniform(0.3, 0.55)
    xs = np.linspace(-0.95, 0.7, 15)
    ys = sway * cosine(xs * rng.uniform(0.75, 0.95))
    points = list(zip(xs.tolist(), ys.tolist(), strict=True))
    head_x, head_y = points[-1]
    return [
        Part(1, stroke([(head_x, head_y), (head_x + 0.35, head_y)], 0.06)),
        Part(0, (*stroke(points, 0.24), disc(head_x, head_y, 0.22, 0.17))),
        Part(2, (disc(head_x + 0.05, head_y - 0.06, 0.05),)),
    ]


def feather(rng: Generator) -> Shape:
    """A long curved vane cut by slits along a quill."""
    width = rng.uniform(0.4, 0.6)
    vane = moved(turned(blade(1.6, width, 0.65), 0.75), 0, 0.6)
    cuts = tuple(corners((0.05, y), (0.5, y - 0.28), (0.5, y - 0.2)) for y in (0.3, -0.1, -0.5))
    cuts = (*cuts, *(mirrored(cut) for cut in cuts))
    return [
        Part(0, (vane, *(cut[::-1] for cut in cuts[: int(rng.integers(3, 7))]))),
        Part(3, stroke([(0, 1.0), (0, -0.85)], 0.06)),
    ]
