"""Outlines of things that hold or carry: a seeded generator in, coloured parts out.

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
    stroke,
    turned,
)
from pipeline.scenes.raster import cosine, sine


def mug(rng: Generator) -> Shape:
    """A cylinder with a handle on the right and a dark mouth."""
    top, bottom = rng.uniform(0.5, 0.62), rng.uniform(0.42, 0.6)
    high = rng.uniform(0.65, 0.85)
    body = corners((-top, -high), (top, -high), (bottom, high), (-bottom, high))
    handle = arc((top - 0.02, -0.02), 0.36, (-0.24, 0.24), 0.16)
    mouth = disc(0, -high, top, 0.16)
    return [
        Part(1, handle),
        Part(0, (body, disc(0, high, bottom, 0.1))),
        Part(3, (mouth,)),
        Part(2, (disc(0, -high, top * 0.85, 0.11),)),
    ]


def bottle(rng: Generator) -> Shape:
    """A body, shoulders, a neck with a cap and a label."""
    width, neck = rng.uniform(0.32, 0.42), rng.uniform(0.1, 0.16)
    shoulder = rng.uniform(-0.35, -0.15)
    body = corners(
        (-width, 1), (width, 1), (width, shoulder), (neck, shoulder - 0.3), (neck, -0.85),
        (-neck, -0.85), (-neck, shoulder - 0.3), (-width, shoulder),
    )  # fmt: skip
    return [
        Part(0, (body,)),
        Part(2, (box(-neck * 1.2, -1.0, neck * 1.2, -0.8),)),
        Part(3, (box(-width, 0.15, width, 0.7),)),
    ]


def wineglass(rng: Generator) -> Shape:
    """A bowl on a thin stem and a foot."""
    bowl = moved(turned(blade(1.3, rng.uniform(1.0, 1.3), 0.55), 0.25), 0, -1.2)
    bowl = np.maximum(bowl, (-2, -0.85))
    return [
        Part(1, (*stroke([(0, 0), (0, 0.85)], 0.1), disc(0, 0.9, 0.45, 0.1))),
        Part(0, (bowl,)),
    ]


def kettle(rng: Generator) -> Shape:
    """A round pot with a spout, a lid and a bow handle."""
    wide = rng.uniform(0.55, 0.65)
    spout = corners((-0.4, 0.4), (-1.0, -0.2), (-0.85, -0.3), (-0.3, 0.05))
    return [
        Part(2, arc((0.05, -0.1), 0.62, (0.55, 0.95), 0.1)),
        Part(0, (disc(0.05, 0.25, wide, 0.55), spout)),
        Part(1, (disc(0.05, -0.27, 0.3, 0.1), disc(0.05, -0.4, 0.09))),
    ]


def umbrella(rng: Generator) -> Shape:
    """A scalloped canopy on a hooked stick."""
    depth = rng.uniform(0.6, 0.85)
    turns = np.linspace(0.5, 1.0, 17)
    dome = np.stack([cosine(turns), sine(turns) * depth], axis=1)
    bites = tuple(hole(disc(x, 0.04, 0.2, 0.14)) for x in (-0.75, -0.25, 0.25, 0.75))
    stick = (
        *stroke([(0, -depth - 0.08), (0, 0.8)], 0.08),
        *arc((0.14, 0.8), 0.14, (0.0, 0.5), 0.08),
    )
    return [Part(2, stick), Part(0, (dome, *bites))]


def envelope(rng: Generator) -> Shape:
    """A rectangle with a triangular flap and a seal."""
    high = rng.uniform(0.55, 0.7)
    return [
        Part(0, (box(-0.95, -high, 0.95, high),)),
        Part(1, (corners((-0.95, -high), (0.95, -high), (0, 0.15)),)),
        Part(2, (disc(0, 0.12, 0.13),)),
    ]


def house(rng: Generator) -> Shape:
    """Walls, a gable roof, a door, a window and a chimney."""
    eaves = rng.uniform(-0.3, -0.1)
    return [
        Part(2, (box(0.35, -0.9, 0.55, -0.2),)),
        Part(0, (box(-0.7, eaves, 0.7, 0.85),)),
        Part(1, (corners((-0.95, eaves), (0, -1), (0.95, eaves)),)),
        Part(2, (box(-0.45, 0.25, -0.1, 0.85),)),
        Part(3, (box(0.15, 0.15, 0.5, 0.5),)),
    ]


def windmill(rng: Generator) -> Shape:
    """Four sails on a tapered tower."""
    turn = rng.uniform(0, 0.25)
    sails = tuple(
        moved(turned(box(0.1, -0.12, 0.75, 0.1), turn + k / 4), 0, -0.3) for k in range(4)
    )
    return [
        Part(0, (corners((-0.25, -0.3), (0.25, -0.3), (0.42, 1), (-0.42, 1)),)),
        Part(1, sails),
        Part(2, (disc(0, -0.3, 0.09), box(-0.12, 0.65, 0.12, 1.0))),
    ]


def car(rng: Generator) -> Shape:
    """A side view: body, cabin, windows and wheels."""
    roof = rng.uniform(-0.6, -0.4)
    body = corners((-1, 0.4), (-1, 0.05), (-0.55, -0.05), (0.7, -0.05), (1, 0.1), (1, 0.4))
    cabin = corners((-0.6, 0), (-0.35, roof), (0.35, roof), (0.65, 0))
    glass = corners((-0.45, -0.04), (-0.28, roof + 0.1), (-0.02, roof + 0.1), (-0.02, -0.04))
    return [
        Part(0, (body, cabin)),
        Part(
            3,
            (glass, corners((0.06, -0.04), (0.06, roof + 0.1), (0.28, roof + 0.1), (0.47, -0.04))),
        ),
        Part(2, (disc(-0.52, 0.42, 0.23), disc(0.55, 0.42, 0.23))),
        Part(3, (disc(-0.52, 0.42, 0.1), disc(0.55, 0.42, 0.1))),
    ]


def sailboat(rng: Generator) -> Shape:
    """A hull, a mast and two sails."""
    hull = corners((-0.9, 0.45), (0.9, 0.45), (0.55, 0.9), (-0.6, 0.9))
    reach = rng.uniform(0.6, 0.85)
    return [
        Part(2, stroke([(0, 0.5), (0, -0.95)], 0.07)),
        Part(1, (hull,)),
        Part(
            0,
            (
                corners((0.07, -0.9), (reach, 0.35), (0.07, 0.35)),
                corners((-0.07, -0.6), (-0.55, 0.35), (-0.07, 0.35)),
            ),
        ),
    ]


def rocket(rng: Generator) -> Shape:
    """A pointed hull with fins, a porthole and a flame."""
    width = rng.uniform(0.5, 0.7)
    hull = moved(turned(blade(1.8, width, 0.55), 0.75), 0, 0.8)
    fin = corners((width * 0.35, 0.2), (0.7, 0.75), (width * 0.2, 0.6))
    return [
        Part(3, (corners((-0.15, 0.6), (0.15, 0.6), (0, rng.uniform(0.9, 1.1))),)),
        Part(1, (fin, mirrored(fin))),
        Part(0, (hull,)),
        Part(3, (disc(0, -0.3, 0.16),)),
        Part(2, (disc(0, -0.3, 0.1),)),
    ]


def balloon(rng: Generator) -> Shape:
    """An envelope over a basket on ropes."""
    size = rng.uniform(0.6, 0.7)
    skirt = corners((-size * 0.75, 0.1), (size * 0.75, 0.1), (0.15, 0.5), (-0.15, 0.5))
    return [
        Part(
            2,
            (
                *stroke([(-0.12, 0.4), (-0.12, 0.8)], 0.04),
                *stroke([(0.12, 0.4), (0.12, 0.8)], 0.04),
            ),
        ),
        Part(0, (disc(0, -0.3, size), skirt)),
        Part(1, (box(-0.18, 0.72, 0.18, 1.0),)),
    ]
