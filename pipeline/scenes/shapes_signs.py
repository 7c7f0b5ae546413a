"""Outlines of signs, letters and toys: a seeded generator in, coloured parts out.

Each function draws one category in the unit frame; every instance differs in its proportions.
"""

import numpy as np
from numpy.random import Generator

from pipeline.scenes.outlines import (
    Loop,
    Part,
    Shape,
    arc,
    box,
    corners,
    disc,
    hole,
    moved,
    spokes,
    star,
    stroke,
    turned,
)
from pipeline.scenes.raster import cosine


def crown(rng: Generator) -> Shape:
    """A band with points and jewels."""
    points = int(rng.integers(3, 6))
    tops: list[tuple[float, float]] = []
    for k in range(points):
        tops += [
            (-0.85 + 1.7 * k / (points - 1), -0.65),
            (-0.85 + 1.7 * (k + 0.5) / (points - 1), 0.1),
        ]
    body = corners((-0.8, 0.65), *tops[:-1], (0.8, 0.65))
    jewels = tuple(disc(x, y, 0.1) for x, y in tops[::2])
    return [Part(0, (body,)), Part(1, jewels), Part(1, (box(-0.8, 0.4, 0.8, 0.6),))]


def kite(rng: Generator) -> Shape:
    """A diamond with spars and a tail of bows."""
    wide, middle = rng.uniform(0.5, 0.65), rng.uniform(-0.5, -0.3)
    bows = [
        corners((x - 0.1, y - 0.07), (x + 0.1, y + 0.07), (x + 0.1, y - 0.07), (x - 0.1, y + 0.07))
        for x, y in ((0.12, 0.55), (-0.02, 0.75), (0.1, 0.95))
    ]
    return [
        Part(2, stroke([(0, 0.3), (0.12, 0.55), (-0.02, 0.75), (0.1, 0.95)], 0.05)),
        Part(1, tuple(bows)),
        Part(0, (corners((0, -1), (wide, middle), (0, 0.35), (-wide, middle)),)),
        Part(1, stroke([(0, -0.95), (0, 0.3)], 0.05)),
    ]


def pinwheel(rng: Generator) -> Shape:
    """Curved blades about a pin on a stick."""
    wing: Loop = corners((0, 0), (0.75, -0.35), (0.5, 0.12))
    blades = int(rng.integers(4, 6))
    return [
        Part(2, stroke([(0, -0.1), (0, 1.0)], 0.08)),
        Part(0, tuple(moved(turned(wing, k / blades), 0, -0.2) for k in range(blades))),
        Part(1, (disc(0, -0.2, 0.1),)),
    ]


def cross(rng: Generator) -> Shape:
    """A plus sign with a lighter border."""
    arm = rng.uniform(0.26, 0.36)
    thin = arm * 0.5
    return [
        Part(1, (box(-arm, -1, arm, 1), box(-1, -arm, 1, arm))),
        Part(0, (box(-thin, -0.85, thin, 0.85), box(-0.85, -thin, 0.85, thin))),
    ]


def star_badge(rng: Generator) -> Shape:
    """A five-pointed star with a boss."""
    return [Part(0, (star(5, rng.uniform(0.38, 0.5)),)), Part(1, (disc(0, 0, 0.2),))]


def sunburst(rng: Generator) -> Shape:
    """A disc with many thin rays."""
    rays = int(rng.integers(10, 15))
    return [Part(1, (star(rays, 0.55),)), Part(0, (disc(0, 0, rng.uniform(0.5, 0.6)),))]


def heart(rng: Generator) -> Shape:
    """Two lobes that meet in a point."""
    lobe = rng.uniform(0.45, 0.5)
    point = corners((-0.44 - lobe * 0.72, 0.0), (0.44 + lobe * 0.72, 0.0), (0, 0.95))
    return [Part(0, (disc(-0.44, -0.3, lobe), disc(0.44, -0.3, lobe), point, disc(0, -0.05, 0.35)))]


def lightning(rng: Generator) -> Shape:
    """A jagged bolt."""
    kink = rng.uniform(0.0, 0.15)
    return [
        Part(
            0,
            (
                corners(
                    (0.1, -1),
                    (-0.55, 0.15),
                    (-0.08, 0.1 + kink),
                    (-0.3, 1),
                    (0.55, -0.25),
                    (0.1, -0.15 - kink),
                    (0.5, -1),
                ),
            ),
        )
    ]


def arrow(rng: Generator) -> Shape:
    """A shaft with a broad head and a notched end."""
    head = rng.uniform(0.45, 0.65)
    return [
        Part(1, (corners((-1, -0.14), (0.3, -0.14), (0.3, 0.14), (-1, 0.14), (-0.85, 0)),)),
        Part(0, (corners((0.15, -head), (1, 0), (0.15, head)),)),
    ]


def donut(rng: Generator) -> Shape:
    """A ring with icing and sprinkles."""
    icing = spokes(rng.uniform(0.76, 0.9, 22))
    inner = hole(disc(0, 0, rng.uniform(0.28, 0.36)))
    sprinkles = tuple(turned(box(0.5, -0.03, 0.68, 0.03), k / 9) for k in range(9))
    return [Part(1, (disc(0, 0, 1.0), inner)), Part(0, (icing, inner)), Part(3, sprinkles)]


def moon(rng: Generator) -> Shape:
    """A crescent with craters."""
    shift = rng.uniform(0.35, 0.55)
    outer = np.linspace(0.16, 0.84, 23)
    edge = np.stack([cosine(outer), cosine(outer - 0.25)], axis=1)
    inner = np.stack([cosine(outer) * (1 - shift), cosine(outer - 0.25) * 0.84], axis=1)
    return [
        Part(0, (np.concatenate([edge, moved(inner[::-1], 0.26, 0)]),)),
        Part(1, (disc(-0.72, 0.1, 0.09), disc(-0.6, -0.4, 0.07), disc(-0.5, 0.5, 0.06))),
    ]


def cloud(rng: Generator) -> Shape:
    """A row of puffs on a flat base."""
    puffs = tuple(
        disc(x, 0.1 - height, radius)
        for x, height, radius in zip(
            (-0.6, -0.15, 0.3, 0.65),
            rng.uniform(-0.1, 0.3, 4).tolist(),
            rng.uniform(0.3, 0.42, 4).tolist(),
            strict=True,
        )
    )
    return [Part(0, (*puffs, box(-0.75, 0.1, 0.8, 0.48)))]


def swirl(rng: Generator) -> Shape:
    """A curled wave: an open arc that ends in a hook."""
    width = rng.uniform(0.28, 0.36)
    return [
        Part(
            0,
            (
                *arc((0, 0), 0.75, (0.3, 1.0), width),
                *arc((0.33, 0), 0.42, (0.0, 0.45), width * 0.8),
            ),
        ),
    ]


def snowman(rng: Generator) -> Shape:
    """Three balls, a nose, eyes and buttons."""
    middle = rng.uniform(0.34, 0.4)
    body = (disc(0, 0.55, 0.47), disc(0, -0.08, middle), disc(0, -0.62, 0.28))
    dots = (
        disc(-0.1, -0.68, 0.045),
        disc(0.1, -0.68, 0.045),
        disc(0, -0.15, 0.05),
        disc(0, 0.08, 0.05),
    )
    return [
        Part(0, body),
        Part(2, dots),
        Part(1, (corners((0, -0.62), (0, -0.52), (0.4, -0.55)), box(-0.3, -0.38, 0.3, -0.26))),
    ]


def _letter(*strokes: list[tuple[float, float]], width: float) -> Shape:
    return [Part(0, tuple(loop for line in strokes for loop in stroke(line, width)))]


def letter_a(rng: Generator) -> Shape:
    """A capital A."""
    bar = rng.uniform(0.15, 0.35)
    return _letter(
        [(-0.7, 0.9), (0, -0.9), (0.7, 0.9)],
        [(-0.45, bar), (0.45, bar)],
        width=rng.uniform(0.24, 0.36),
    )


def letter_s(rng: Generator) -> Shape:
    """A capital S."""
    width = rng.uniform(0.26, 0.36)
    return [
        Part(
            0,
            (
                *arc((0, -0.42), 0.42, (0.25, 0.95), width),
                *arc((0, 0.42), 0.42, (-0.25, 0.45), width),
            ),
        )
    ]


def letter_e(rng: Generator) -> Shape:
    """A capital E."""
    reach = rng.uniform(0.45, 0.65)
    return _letter(
        [(reach, -0.85), (-0.5, -0.85), (-0.5, 0.85), (reach, 0.85)],
        [(-0.5, 0), (reach - 0.1, 0)],
        width=rng.uniform(0.26, 0.36),
    )
