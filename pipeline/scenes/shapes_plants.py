"""Outlines of plants and what grows on them: a seeded generator in, coloured parts out.

Each function draws one category in the unit frame; every instance differs in its proportions.
"""

import numpy as np
from numpy.random import Generator

from pipeline.scenes.outlines import (
    Part,
    Shape,
    blade,
    blob,
    box,
    corners,
    disc,
    mirrored,
    moved,
    stroke,
    turned,
)
from pipeline.scenes.raster import cosine


def leaf(rng: Generator) -> Shape:
    """A pointed oval with a stem, a midrib and side veins."""
    width = rng.uniform(0.75, 1.15)
    body = moved(turned(blade(1.6, width, rng.uniform(0.35, 0.5)), 0.75), 0, 0.65)
    veins = [stroke([(0, 1.0), (0, -0.8)], 0.06)]
    for y in (0.35, 0.0, -0.35):
        reach = width * 0.34
        veins += [
            stroke([(0, y), (reach, y - 0.22)], 0.035),
            stroke([(0, y), (-reach, y - 0.22)], 0.035),
        ]
    return [Part(0, (body,)), Part(1, tuple(loop for vein in veins for loop in vein))]


def flower(rng: Generator) -> Shape:
    """Round petals about a disc."""
    petals = int(rng.integers(5, 9))
    reach = rng.uniform(0.52, 0.62)
    petal = disc(reach, 0, 0.42, 0.95 / petals + 0.12)
    loops = tuple(turned(petal, k / petals) for k in range(petals))
    return [Part(0, loops), Part(1, (disc(0, 0, rng.uniform(0.22, 0.32)),))]


def mushroom(rng: Generator) -> Shape:
    """A spotted half-round cap on a stem."""
    depth = rng.uniform(0.6, 0.9)
    turns = np.linspace(0.5, 1.0, 15)
    cap = np.stack([cosine(turns) * 0.95, cosine(turns - 0.25) * depth + 0.05], axis=1)
    width = rng.uniform(0.18, 0.3)
    stem = corners((-width, 0), (width, 0), (width * 1.25, 0.9), (-width * 1.25, 0.9))
    return [
        Part(3, (stem,)),
        Part(0, (cap,)),
        Part(3, (disc(-0.4, -0.2, 0.12), disc(0.1, -0.42, 0.14), disc(0.5, -0.15, 0.1))),
    ]


def conifer(rng: Generator) -> Shape:
    """Three stacked triangles on a trunk."""
    width = rng.uniform(0.6, 0.8)
    tiers = tuple(
        corners((0, top), (width * scale, top + 0.75), (-width * scale, top + 0.75))
        for top, scale in ((-1.0, 0.6), (-0.6, 0.8), (-0.15, 1.0))
    )
    return [Part(2, (box(-0.13, 0.5, 0.13, 1.0),)), Part(0, tiers)]


def tree(rng: Generator) -> Shape:
    """A lumpy crown on a forked trunk."""
    crown = moved(blob(rng.uniform(0.5, 0.72, 9)), 0, -0.35)
    trunk = (
        *stroke([(0, 0.95), (0, 0.2), (-0.3, -0.2)], 0.17),
        *stroke([(0, 0.3), (0.3, -0.2)], 0.13),
    )
    return [Part(2, trunk), Part(0, (crown,))]


def cactus(rng: Generator) -> Shape:
    """A column with two raised arms in a pot."""
    left, right = rng.uniform(-0.3, 0.1), rng.uniform(-0.3, 0.1)
    body = (
        *stroke([(0, 0.6), (0, -0.75)], 0.4),
        *stroke([(0, left + 0.35), (-0.55, left + 0.35), (-0.55, left - 0.15)], 0.24),
        *stroke([(0, right + 0.25), (0.55, right + 0.25), (0.55, right - 0.3)], 0.24),
    )
    return [
        Part(0, body),
        Part(1, (corners((-0.4, 0.5), (0.4, 0.5), (0.3, 1.0), (-0.3, 1.0)),)),
    ]


def apple(rng: Generator) -> Shape:
    """Two lobes with a stalk and a leaf."""
    lobe = disc(0.28, 0.15, 0.5, rng.uniform(0.62, 0.74))
    return [
        Part(2, stroke([(0, -0.4), (0.08, -0.9)], 0.1)),
        Part(0, (lobe, mirrored(lobe))),
        Part(1, (moved(turned(blade(0.6, 0.3), 0.93), 0.06, -0.62),)),
    ]


def banana(rng: Generator) -> Shape:
    """A thick crescent with dark ends."""
    inner = rng.uniform(0.35, 0.5)
    turns = np.linspace(0.05, 0.45, 17)
    outer = np.stack([cosine(turns), cosine(turns - 0.25)], axis=1)
    back = np.stack([cosine(turns) * 0.9, cosine(turns - 0.25) * inner], axis=1)[::-1]
    body = moved(np.concatenate([outer, back]) * (1, 1.1), 0, -0.55)
    ends = tuple(disc(body[k, 0], body[k, 1], 0.1) for k in (0, len(outer) - 1))
    return [Part(0, (body,)), Part(2, ends)]


def carrot(rng: Generator) -> Shape:
    """A long cone under a tuft."""
    width = rng.uniform(0.24, 0.36)
    tuft = tuple(
        moved(turned(blade(0.6, 0.2), turn), 0, -0.35) for turn in (0.65, 0.72, 0.78, 0.85)
    )
    root = corners(
        (-width, -0.35), (0, -0.45), (width, -0.35), (width * 0.5, 0.4), (0, 1), (-width * 0.5, 0.4)
    )
    return [Part(1, tuft), Part(0, (root,))]


def grapes(rng: Generator) -> Shape:
    """A triangle of round berries on a stalk."""
    size = rng.uniform(0.2, 0.24)
    berries = [
        disc((column - row / 2) * 0.38, 0.75 - row * 0.36, size)
        for row in range(4)
        for column in range(row + 1)
    ]
    return [Part(2, stroke([(0, -0.4), (0.1, -0.98)], 0.1)), Part(0, tuple(berries))]
