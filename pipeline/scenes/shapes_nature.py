"""Outlines of living and natural things: a seeded generator in, coloured parts out.

Each function draws one category in the unit frame; every instance differs in its proportions.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from pipeline.scenes.outlines import (
    Loop,
    arc,
    blade,
    blob,
    box,
    corners,
    disc,
    mirrored,
    spokes,
    stroke,
    turned,
)
from pipeline.scenes.raster import cosine


class Part(NamedTuple):
    """Loops filled with one tone: 0 the textured body, 1 a second colour, 2 dark, 3 pale."""

    tone: int
    loops: tuple[Loop, ...]


Shape = list[Part]


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


def leaf(rng: Generator) -> Shape:
    """A pointed oval with a stem, a midrib and side veins."""
    width = rng.uniform(0.75, 1.15)
    body = turned(blade(1.6, width, rng.uniform(0.35, 0.5)), 0.75) + (0, 0.65)
    veins = [stroke([(0, 1.0), (0, -0.8)], 0.06)]
    for y in (0.35, 0.0, -0.35):
        reach = width * 0.34
        veins += [
            stroke([(0, y), (reach, y - 0.22)], 0.035),
            stroke([(0, y), (-reach, y - 0.22)], 0.035),
        ]
    return [Part(0, (body,)), Part(1, tuple(loop for vein in veins for loop in vein))]


def shell(rng: Generator) -> Shape:
    """A scallop: a ribbed fan on a small hinge."""
    ribs = int(rng.integers(5, 8))
    turns = np.linspace(0.56, 0.94, ribs * 2 + 1)
    radius = np.where(np.arange(ribs * 2 + 1) % 2 == 0, 1.35, 1.5)
    rim = np.stack([cosine(turns) * radius, cosine(turns - 0.25) * radius], axis=1) + (0, 0.75)
    fan = corners((0.0, 0.8), *[(float(x), float(y)) for x, y in rim])
    lines = [stroke([(0, 0.7), (float(x) * 0.9, float(y) * 0.9 + 0.07)], 0.05) for x, y in rim[::2]]
    return [
        Part(1, (corners((-0.4, 0.55), (0.4, 0.55), (0.3, 0.88), (-0.3, 0.88)),)),
        Part(0, (fan,)),
        Part(1, tuple(loop for line in lines for loop in line)),
    ]


def flower(rng: Generator) -> Shape:
    """Round petals about a disc."""
    petals = int(rng.integers(5, 9))
    reach = rng.uniform(0.52, 0.62)
    petal = disc(reach, 0, 0.42, 0.95 / petals + 0.12)
    loops = tuple(turned(petal, k / petals) for k in range(petals))
    return [Part(0, loops), Part(1, (disc(0, 0, rng.uniform(0.22, 0.32)),))]


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
        Part(2, (*stroke([(-0.1, 0.4), (-0.15, 0.9)], 0.07), *stroke([(0.15, 0.4), (0.1, 0.9)], 0.07))),
        Part(1, (tail,)),
        Part(0, (body, disc(-0.45, -0.38, 0.3))),
        Part(1, (turned(blade(0.8, 0.42), 0.06) + (-0.25, 0.0),)),
        Part(3, (corners((-0.7, -0.46), (-1.0, -0.34), (-0.7, -0.28)),)),
        Part(2, (disc(-0.53, -0.44, 0.06),)),
    ]


def snail(rng: Generator) -> Shape:
    """A spiral shell on a long foot with two feelers."""
    foot = corners((-0.95, 0.75), (0.95, 0.75), (0.6, 0.5), (-0.5, 0.4), (-0.65, -0.15), (-0.9, -0.15))
    turns = np.linspace(0.0, 2.2, 26)
    radius = np.linspace(0.08, rng.uniform(0.46, 0.52), 26)
    xs, ys = 0.2 + radius * cosine(turns), 0.0 + radius * cosine(turns - 0.25)
    spiral = stroke(list(zip(xs.tolist(), ys.tolist(), strict=True)), 0.07)
    feelers = (*stroke([(-0.7, -0.1), (-0.6, -0.5)], 0.06), *stroke([(-0.85, -0.1), (-0.95, -0.5)], 0.06))
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
    crown = blob(rng.uniform(0.5, 0.72, 9)) + (0, -0.35)
    trunk = (*stroke([(0, 0.95), (0, 0.2), (-0.3, -0.2)], 0.17), *stroke([(0, 0.3), (0.3, -0.2)], 0.13))
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
        Part(1, (turned(blade(0.6, 0.3), 0.93) + (0.06, -0.62),)),
    ]


def banana(rng: Generator) -> Shape:
    """A thick crescent with dark ends."""
    inner = rng.uniform(0.35, 0.5)
    turns = np.linspace(0.05, 0.45, 17)
    outer = np.stack([cosine(turns), cosine(turns - 0.25)], axis=1)
    back = np.stack([cosine(turns) * 0.9, cosine(turns - 0.25) * inner], axis=1)[::-1]
    body = np.concatenate([outer, back]) * (1, 1.1) + (0, -0.55)
    first, last = outer[0] * (1, 1.1) + (0, -0.55), outer[-1] * (1, 1.1) + (0, -0.55)
    ends = (disc(*first.tolist(), 0.1), disc(*last.tolist(), 0.1))
    return [Part(0, (body,)), Part(2, ends)]


def carrot(rng: Generator) -> Shape:
    """A long cone under a tuft."""
    width = rng.uniform(0.24, 0.36)
    tuft = tuple(turned(blade(0.6, 0.2), turn) + (0, -0.35) for turn in (0.65, 0.72, 0.78, 0.85))
    root = corners((-width, -0.35), (0, -0.45), (width, -0.35), (width * 0.5, 0.4), (0, 1), (-width * 0.5, 0.4))
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


def snowman(rng: Generator) -> Shape:
    """Three balls, a nose, eyes and buttons."""
    middle = rng.uniform(0.34, 0.4)
    body = (disc(0, 0.55, 0.47), disc(0, -0.08, middle), disc(0, -0.62, 0.28))
    dots = (disc(-0.1, -0.68, 0.045), disc(0.1, -0.68, 0.045), disc(0, -0.15, 0.05), disc(0, 0.08, 0.05))
    return [
        Part(0, body),
        Part(2, dots),
        Part(1, (corners((0, -0.62), (0, -0.52), (0.4, -0.55)), box(-0.3, -0.38, 0.3, -0.26))),
    ]


def feather(rng: Generator) -> Shape:
    """A long curved vane cut by slits along a quill."""
    width = rng.uniform(0.4, 0.6)
    vane = turned(blade(1.6, width, 0.65), 0.75) + (0, 0.6)
    cuts = tuple(
        corners((0.05, y), (0.5, y - 0.28), (0.5, y - 0.2)) for y in (0.3, -0.1, -0.5)
    )
    cuts = (*cuts, *(mirrored(cut) for cut in cuts))
    return [
        Part(0, (vane, *(cut[::-1] for cut in cuts[: int(rng.integers(3, 7))]))),
        Part(3, stroke([(0, 1.0), (0, -0.85)], 0.06)),
    ]


def moon(rng: Generator) -> Shape:
    """A crescent with craters."""
    shift = rng.uniform(0.35, 0.55)
    outer = np.linspace(0.16, 0.84, 23)
    edge = np.stack([cosine(outer), cosine(outer - 0.25)], axis=1)
    inner = np.stack([cosine(outer) * (1 - shift), cosine(outer - 0.25) * 0.84], axis=1)
    return [
        Part(0, (np.concatenate([edge, inner[::-1] + (0.26, 0)]),)),
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


def swirl(rng: Generator) -> Shape:
    """A curled wave: an open arc that ends in a hook."""
    width = rng.uniform(0.28, 0.36)
    return [
        Part(0, (*arc((0, 0), 0.75, (0.3, 1.0), width), *arc((0.33, 0), 0.42, (0.0, 0.45), width * 0.8))),
    ]
