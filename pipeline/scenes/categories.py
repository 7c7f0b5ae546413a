"""The categories: a name, how it is drawn, how its surface looks; base, folds and reserved."""

from collections.abc import Callable
from typing import NamedTuple

from numpy.random import Generator

from pipeline.scenes import shapes_animals as animals
from pipeline.scenes import shapes_plants as plants
from pipeline.scenes import shapes_signs as signs
from pipeline.scenes import shapes_tools as tools
from pipeline.scenes import shapes_vessels as vessels
from pipeline.scenes.colours import Palette
from pipeline.scenes.outlines import Shape
from pipeline.scenes.textures import Pattern


class Kind(NamedTuple):
    """How one category is drawn: outline, surface patterns (one per instance), its two colours."""

    shape: Callable[[Generator], Shape]
    patterns: tuple[Pattern, ...]
    body: Palette
    accent: Palette
    """Of the pattern, and of lesser parts."""


_RED = Palette((0.97, 1.03), (0.65, 0.95), (0.5, 0.9))
_ORANGE = Palette((0.05, 0.1), (0.7, 1.0), (0.7, 1.0))
_YELLOW = Palette((0.12, 0.17), (0.6, 0.95), (0.75, 1.0))
_LIME = Palette((0.2, 0.28), (0.5, 0.9), (0.55, 0.9))
_GREEN = Palette((0.33, 0.42), (0.5, 0.9), (0.3, 0.65))
_TEAL = Palette((0.45, 0.52), (0.5, 0.95), (0.4, 0.8))
_SKY = Palette((0.53, 0.59), (0.25, 0.5), (0.75, 1.0))
_BLUE = Palette((0.59, 0.66), (0.65, 0.95), (0.4, 0.85))
_VIOLET = Palette((0.71, 0.79), (0.4, 0.85), (0.4, 0.8))
_PINK = Palette((0.87, 0.95), (0.3, 0.65), (0.75, 1.0))
_BROWN = Palette((0.04, 0.1), (0.4, 0.75), (0.25, 0.55))
_OLIVE = Palette((0.14, 0.22), (0.35, 0.65), (0.3, 0.55))
_CREAM = Palette((0.09, 0.15), (0.15, 0.4), (0.8, 1.0))
_WHITE = Palette((0.0, 1.0), (0.0, 0.08), (0.85, 1.0))
_STEEL = Palette((0.55, 0.65), (0.05, 0.2), (0.4, 0.7))
_BLACK = Palette((0.0, 1.0), (0.0, 0.3), (0.08, 0.22))

KINDS: dict[str, Kind] = {
    "leaf": Kind(plants.leaf, ("plain", "shade"), _GREEN, _LIME),
    "shell": Kind(animals.shell, ("bands", "shade"), _CREAM, _PINK),
    "flower": Kind(plants.flower, ("plain", "rings"), _PINK, _YELLOW),
    "bird": Kind(animals.bird, ("plain", "speckle"), _SKY, _WHITE),
    "turtle": Kind(animals.turtle, ("lattice", "scales"), _OLIVE, _BROWN),
    "octopus": Kind(animals.octopus, ("dots", "speckle"), _VIOLET, _PINK),
    "mushroom": Kind(plants.mushroom, ("plain", "shade"), _RED, _WHITE),
    "conifer": Kind(plants.conifer, ("speckle", "grain"), _GREEN, _TEAL),
    "tree": Kind(plants.tree, ("speckle", "marble"), _LIME, _OLIVE),
    "cactus": Kind(plants.cactus, ("stripes",), _GREEN, _CREAM),
    "apple": Kind(plants.apple, ("shade", "plain"), _RED, _YELLOW),
    "banana": Kind(plants.banana, ("plain", "speckle"), _YELLOW, _BROWN),
    "carrot": Kind(plants.carrot, ("bands",), _ORANGE, _LIME),
    "grapes": Kind(plants.grapes, ("plain", "shade"), _VIOLET, _BLUE),
    "snowman": Kind(signs.snowman, ("plain",), _WHITE, _ORANGE),
    "feather": Kind(animals.feather, ("bands", "grain"), _TEAL, _BLACK),
    "moon": Kind(signs.moon, ("marble", "plain"), _YELLOW, _CREAM),
    "cloud": Kind(signs.cloud, ("marble", "shade"), _WHITE, _SKY),
    "snake": Kind(animals.snake, ("zigzag", "lattice"), _LIME, _BLACK),
    "swirl": Kind(signs.swirl, ("bands", "stripes"), _PINK, _WHITE),
    "bottle": Kind(vessels.bottle, ("shade", "plain"), _GREEN, _WHITE),
    "wineglass": Kind(vessels.wineglass, ("shade",), _RED, _SKY),
    "kettle": Kind(vessels.kettle, ("plain", "dots"), _STEEL, _RED),
    "key": Kind(tools.key, ("plain", "grain"), _YELLOW, _STEEL),
    "hammer": Kind(tools.hammer, ("plain", "shade"), _STEEL, _BROWN),
    "wrench": Kind(tools.wrench, ("grain", "shade"), _STEEL, _BLUE),
    "scissors": Kind(tools.scissors, ("shade", "plain"), _STEEL, _ORANGE),
    "bell": Kind(tools.bell, ("shade", "bands"), _YELLOW, _ORANGE),
    "crown": Kind(signs.crown, ("plain", "dots"), _YELLOW, _RED),
    "house": Kind(vessels.house, ("bricks",), _RED, _BROWN),
    "car": Kind(vessels.car, ("plain", "shade"), _BLUE, _SKY),
    "sailboat": Kind(vessels.sailboat, ("stripes", "plain"), _WHITE, _RED),
    "rocket": Kind(vessels.rocket, ("bands", "plain"), _WHITE, _ORANGE),
    "balloon": Kind(vessels.balloon, ("stripes", "zigzag"), _RED, _SKY),
    "kite": Kind(signs.kite, ("sectors", "checker"), _SKY, _YELLOW),
    "chair": Kind(tools.chair, ("grain",), _BROWN, _CREAM),
    "lamp": Kind(tools.lamp, ("stripes", "dots"), _CREAM, _ORANGE),
    "clock": Kind(tools.clock, ("plain",), _WHITE, _BLACK),
    "glasses": Kind(tools.glasses, ("plain", "checker"), _BLACK, _TEAL),
    "comb": Kind(tools.comb, ("marble", "plain"), _TEAL, _CREAM),
    "fork": Kind(tools.fork, ("shade", "plain"), _STEEL, _BLACK),
    "ladder": Kind(tools.ladder, ("grain", "plain"), _ORANGE, _STEEL),
    "windmill": Kind(vessels.windmill, ("bricks", "weave"), _CREAM, _BLUE),
    "hourglass": Kind(tools.hourglass, ("shade",), _SKY, _BROWN),
    "envelope": Kind(vessels.envelope, ("plain", "weave"), _CREAM, _RED),
    "cross": Kind(signs.cross, ("plain", "weave"), _BROWN, _YELLOW),
    "star": Kind(signs.star_badge, ("sectors", "plain"), _ORANGE, _YELLOW),
    "sunburst": Kind(signs.sunburst, ("rings", "plain"), _ORANGE, _RED),
    "heart": Kind(signs.heart, ("plain", "dots", "checker"), _PINK, _RED),
    "lightning": Kind(signs.lightning, ("shade", "plain"), _YELLOW, _VIOLET),
    "arrow": Kind(signs.arrow, ("plain", "stripes"), _BLACK, _LIME),
    "donut": Kind(signs.donut, ("plain", "marble"), _BROWN, _PINK),
    "letter_a": Kind(signs.letter_a, ("plain", "weave"), _BLUE, _YELLOW),
    "letter_s": Kind(signs.letter_s, ("plain", "dots"), _TEAL, _ORANGE),
    "letter_e": Kind(signs.letter_e, ("plain", "stripes"), _VIOLET, _LIME),
    "pinwheel": Kind(signs.pinwheel, ("stripes", "dots"), _TEAL, _PINK),
    "fish": Kind(animals.fish, ("scales", "stripes"), _ORANGE, _WHITE),
    "butterfly": Kind(animals.butterfly, ("sectors", "marble"), _VIOLET, _ORANGE),
    "snail": Kind(animals.snail, ("plain", "bands"), _OLIVE, _CREAM),
    "gear": Kind(tools.gear, ("grain", "plain"), _STEEL, _TEAL),
    "mug": Kind(vessels.mug, ("plain", "stripes", "dots"), _WHITE, _BLUE),
    "umbrella": Kind(vessels.umbrella, ("sectors", "plain"), _BLUE, _RED),
    "anchor": Kind(tools.anchor, ("plain", "grain"), _BLACK, _STEEL),
    "guitar": Kind(tools.guitar, ("grain", "shade"), _BROWN, _ORANGE),
}
"""Every category in a fixed order: an index into it never changes."""

RESERVED: tuple[str, ...] = (
    "fish", "butterfly", "snail", "gear", "mug", "umbrella", "anchor", "guitar",
)  # fmt: skip
"""Never seen by any trained part: for the demo and the headline figures. Chosen before training."""

BASE: tuple[str, ...] = tuple(name for name in KINDS if name not in RESERVED)

FOLDS = 4


def fold_categories(fold: int) -> tuple[str, ...]:
    """Return the base categories held out by a fold: every fourth, by index."""
    return tuple(name for index, name in enumerate(BASE) if index % FOLDS == fold)
