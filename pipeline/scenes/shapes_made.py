"""Outlines of made things: a seeded generator in, coloured parts out; see `shapes_nature`."""

import numpy as np
from numpy.random import Generator

from pipeline.scenes.outlines import (
    Loop,
    arc,
    blade,
    box,
    corners,
    disc,
    hole,
    mirrored,
    regular,
    ring,
    spokes,
    star,
    stroke,
    turned,
)
from pipeline.scenes.raster import cosine, sine
from pipeline.scenes.shapes_nature import Part, Shape


def gear(rng: Generator) -> Shape:
    """A toothed wheel with a bore."""
    teeth = int(rng.integers(8, 13))
    deep = rng.uniform(0.72, 0.8)
    rim = spokes([1.0, 1.0, deep, deep] * teeth)
    return [
        Part(0, (rim, hole(disc(0, 0, rng.uniform(0.25, 0.35))))),
        Part(1, (disc(0, 0, 0.55), hole(disc(0, 0, 0.36)))),
    ]


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
    bowl = turned(blade(1.3, rng.uniform(1.0, 1.3), 0.55), 0.25) + (0, -1.2)
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
    stick = (*stroke([(0, -depth - 0.08), (0, 0.8)], 0.08), *arc((0.14, 0.8), 0.14, (0.0, 0.5), 0.08))
    return [Part(2, stick), Part(0, (dome, *bites))]


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
        Part(0, (disc(0, 0.68, jaw * 0.85), hole(regular(6, 0.15) + (0, 0.68)))),
        Part(0, (disc(0, -0.65, jaw), hole(box(-0.12, -1.1, 0.12, -0.68)))),
        Part(0, (box(-0.14, -0.45, 0.14, 0.5),)),
    ]


def scissors(rng: Generator) -> Shape:
    """Two crossed blades with ring handles."""
    spread = rng.uniform(0.05, 0.09)
    blade_loop = turned(blade(1.25, 0.22, 0.3), 0.75 + spread) + (-0.05, 0.2)
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
        Part(0, (corners((0.45, 0.3), (0.95, 0.35), (0.8, -0.1)), corners((-0.45, 0.3), (-0.95, 0.35), (-0.8, -0.1)))),
    ]


def bell(rng: Generator) -> Shape:
    """A flared bell with a clapper and a loop."""
    waist = rng.uniform(0.38, 0.5)
    body = corners(
        (-0.2, -0.75), (0.2, -0.75), (waist, -0.35), (waist + 0.05, 0.3), (0.85, 0.65), (-0.85, 0.65),
        (-waist - 0.05, 0.3), (-waist, -0.35),
    )  # fmt: skip
    return [
        Part(2, (disc(0, 0.75, 0.18),)),
        Part(1, ring(0, -0.85, 0.15, 0.07)),
        Part(0, (body,)),
        Part(1, (box(-0.85, 0.5, 0.85, 0.65),)),
    ]


def crown(rng: Generator) -> Shape:
    """A band with points and jewels."""
    points = int(rng.integers(3, 6))
    tops: list[tuple[float, float]] = []
    for k in range(points):
        tops += [(-0.85 + 1.7 * k / (points - 1), -0.65), (-0.85 + 1.7 * (k + 0.5) / (points - 1), 0.1)]
    body = corners((-0.8, 0.65), *tops[:-1], (0.8, 0.65))
    jewels = tuple(disc(x, y, 0.1) for x, y in tops[::2])
    return [Part(0, (body,)), Part(1, jewels), Part(1, (box(-0.8, 0.4, 0.8, 0.6),))]


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


def car(rng: Generator) -> Shape:
    """A side view: body, cabin, windows and wheels."""
    roof = rng.uniform(-0.6, -0.4)
    body = corners((-1, 0.4), (-1, 0.05), (-0.55, -0.05), (0.7, -0.05), (1, 0.1), (1, 0.4))
    cabin = corners((-0.6, 0), (-0.35, roof), (0.35, roof), (0.65, 0))
    glass = corners((-0.45, -0.04), (-0.28, roof + 0.1), (-0.02, roof + 0.1), (-0.02, -0.04))
    return [
        Part(0, (body, cabin)),
        Part(3, (glass, corners((0.06, -0.04), (0.06, roof + 0.1), (0.28, roof + 0.1), (0.47, -0.04)))),
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
        Part(0, (corners((0.07, -0.9), (reach, 0.35), (0.07, 0.35)), corners((-0.07, -0.6), (-0.55, 0.35), (-0.07, 0.35)))),
    ]


def rocket(rng: Generator) -> Shape:
    """A pointed hull with fins, a porthole and a flame."""
    width = rng.uniform(0.5, 0.7)
    hull = turned(blade(1.8, width, 0.55), 0.75) + (0, 0.8)
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
        Part(2, (*stroke([(-0.12, 0.4), (-0.12, 0.8)], 0.04), *stroke([(0.12, 0.4), (0.12, 0.8)], 0.04))),
        Part(0, (disc(0, -0.3, size), skirt)),
        Part(1, (box(-0.18, 0.72, 0.18, 1.0),)),
    ]


def kite(rng: Generator) -> Shape:
    """A diamond with spars and a tail of bows."""
    wide, middle = rng.uniform(0.5, 0.65), rng.uniform(-0.5, -0.3)
    bows = [corners((x - 0.1, y - 0.07), (x + 0.1, y + 0.07), (x + 0.1, y - 0.07), (x - 0.1, y + 0.07)) for x, y in ((0.12, 0.55), (-0.02, 0.75), (0.1, 0.95))]
    return [
        Part(2, stroke([(0, 0.3), (0.12, 0.55), (-0.02, 0.75), (0.1, 0.95)], 0.05)),
        Part(1, tuple(bows)),
        Part(0, (corners((0, -1), (wide, middle), (0, 0.35), (-wide, middle)),)),
        Part(1, stroke([(0, -0.95), (0, 0.3)], 0.05)),
    ]


def chair(rng: Generator) -> Shape:
    """A side view: back, seat and legs."""
    seat = rng.uniform(0.0, 0.2)
    return [
        Part(1, (*stroke([(-0.45, seat), (-0.55, 0.95)], 0.14), *stroke([(0.45, seat), (0.55, 0.95)], 0.14))),
        Part(0, (*stroke([(-0.45, seat), (-0.6, -0.95)], 0.2), box(-0.6, seat - 0.1, 0.6, seat + 0.12))),
    ]


def lamp(rng: Generator) -> Shape:
    """A flared shade over a post and a foot."""
    top = rng.uniform(0.25, 0.4)
    return [
        Part(2, (*stroke([(0, -0.1), (0, 0.85)], 0.12), disc(0, 0.9, 0.42, 0.1))),
        Part(0, (corners((-top, -0.95), (top, -0.95), (0.7, 0.0), (-0.7, 0.0)),)),
    ]


def clock(rng: Generator) -> Shape:
    """A dial with hour marks, two hands and two bells."""
    marks = tuple(turned(box(-0.04, -0.68, 0.04, -0.55), k / 8) for k in range(8))
    hands = (turned(box(-0.04, -0.5, 0.04, 0.05), rng.random()), turned(box(-0.05, -0.32, 0.05, 0.05), rng.random()))
    return [
        Part(1, (disc(-0.5, -0.75, 0.26), disc(0.5, -0.75, 0.26))),
        Part(0, (disc(0, 0.05, 0.88),)),
        Part(3, (disc(0, 0.05, 0.7),)),
        Part(2, tuple(loop + (0, 0.05) for loop in (*marks, *hands))),
    ]


def glasses(rng: Generator) -> Shape:
    """Two rims, a bridge and temples."""
    size = rng.uniform(0.36, 0.43)
    return [
        Part(3, (disc(-0.5, 0, size * 0.8), disc(0.5, 0, size * 0.8))),
        Part(0, ring(-0.5, 0, size, size * 0.72)),
        Part(0, ring(0.5, 0, size, size * 0.72)),
        Part(0, (*stroke([(-0.15, -0.05), (0.15, -0.05)], 0.12), *stroke([(-0.85, -0.1), (-1, -0.4)], 0.1), *stroke([(0.85, -0.1), (1, -0.4)], 0.1))),
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
    loops = tuple(loop for k in range(tines) for loop in stroke([(-0.3 + k * pitch, -0.9), (-0.3 + k * pitch, -0.4)], 0.11))
    return [
        Part(0, (*loops, disc(0, -0.35, 0.36, 0.22), box(-0.1, -0.3, 0.1, 0.4))),
        Part(1, (disc(0, 0.65, 0.15, 0.35),)),
    ]


def ladder(rng: Generator) -> Shape:
    """Two rails and rungs."""
    rungs = int(rng.integers(4, 7))
    wide = rng.uniform(0.35, 0.5)
    bars = tuple(box(-wide, y - 0.07, wide, y + 0.07) for y in np.linspace(-0.75, 0.75, rungs).tolist())
    return [Part(1, bars), Part(0, (box(-wide - 0.09, -1, -wide + 0.09, 1), box(wide - 0.09, -1, wide + 0.09, 1)))]


def windmill(rng: Generator) -> Shape:
    """Four sails on a tapered tower."""
    turn = rng.uniform(0, 0.25)
    sails = tuple(turned(box(0.1, -0.12, 0.75, 0.1), turn + k / 4) + (0, -0.3) for k in range(4))
    return [
        Part(0, (corners((-0.25, -0.3), (0.25, -0.3), (0.42, 1), (-0.42, 1)),)),
        Part(1, sails),
        Part(2, (disc(0, -0.3, 0.09), box(-0.12, 0.65, 0.12, 1.0))),
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


def envelope(rng: Generator) -> Shape:
    """A rectangle with a triangular flap and a seal."""
    high = rng.uniform(0.55, 0.7)
    return [
        Part(0, (box(-0.95, -high, 0.95, high),)),
        Part(1, (corners((-0.95, -high), (0.95, -high), (0, 0.15)),)),
        Part(2, (disc(0, 0.12, 0.13),)),
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
    return [Part(0, (corners((0.1, -1), (-0.55, 0.15), (-0.08, 0.1 + kink), (-0.3, 1), (0.55, -0.25), (0.1, -0.15 - kink), (0.5, -1)),))]


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


def _letter(*strokes: list[tuple[float, float]], width: float) -> Shape:
    return [Part(0, tuple(loop for line in strokes for loop in stroke(line, width)))]


def letter_a(rng: Generator) -> Shape:
    """A capital A."""
    bar = rng.uniform(0.15, 0.35)
    return _letter(
        [(-0.7, 0.9), (0, -0.9), (0.7, 0.9)], [(-0.45, bar), (0.45, bar)], width=rng.uniform(0.24, 0.36)
    )


def letter_s(rng: Generator) -> Shape:
    """A capital S."""
    width = rng.uniform(0.26, 0.36)
    return [Part(0, (*arc((0, -0.42), 0.42, (0.25, 0.95), width), *arc((0, 0.42), 0.42, (-0.25, 0.45), width)))]


def letter_e(rng: Generator) -> Shape:
    """A capital E."""
    reach = rng.uniform(0.45, 0.65)
    return _letter(
        [(reach, -0.85), (-0.5, -0.85), (-0.5, 0.85), (reach, 0.85)],
        [(-0.5, 0), (reach - 0.1, 0)],
        width=rng.uniform(0.26, 0.36),
    )


def pinwheel(rng: Generator) -> Shape:
    """Curved blades about a pin on a stick."""
    wing: Loop = corners((0, 0), (0.75, -0.35), (0.5, 0.12))
    blades = int(rng.integers(4, 6))
    return [
        Part(2, stroke([(0, -0.1), (0, 1.0)], 0.08)),
        Part(0, tuple(turned(wing, k / blades) + (0, -0.2) for k in range(blades))),
        Part(1, (disc(0, -0.2, 0.1),)),
    ]
