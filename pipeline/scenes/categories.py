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
    """How one category is drawn: outline, surface patterns (one per instance), colours."""

    shape: Callable[[Generator], Shape]
    patterns: tuple[Pattern, ...]
    palette: Palette = Palette()


_ANY = Palette()
_VIVID = Palette(saturation=(0.6, 1.0), value=(0.5, 1.0))
_MUTED = Palette(saturation=(0.05, 0.4), value=(0.3, 0.85))
_DEEP = Palette(saturation=(0.4, 0.9), value=(0.25, 0.6))
_LIGHT = Palette(saturation=(0.1, 0.5), value=(0.7, 1.0))

KINDS: dict[str, Kind] = {
    "leaf": Kind(plants.leaf, ("plain", "shade"), Palette((0.0, 0.5), (0.4, 0.95))),
    "shell": Kind(animals.shell, ("bands", "shade"), _LIGHT),
    "flower": Kind(plants.flower, ("plain", "rings"), _VIVID),
    "bird": Kind(animals.bird, ("plain", "speckle"), _ANY),
    "turtle": Kind(animals.turtle, ("lattice", "scales"), _DEEP),
    "octopus": Kind(animals.octopus, ("dots", "speckle"), _VIVID),
    "mushroom": Kind(plants.mushroom, ("plain", "shade"), _ANY),
    "conifer": Kind(
        plants.conifer, ("speckle", "grain"), Palette((0.1, 0.7), (0.3, 0.9), (0.2, 0.7))
    ),
    "tree": Kind(plants.tree, ("speckle", "marble"), Palette((0.0, 0.6), (0.3, 0.9), (0.25, 0.8))),
    "cactus": Kind(plants.cactus, ("stripes",), Palette((0.1, 0.6), (0.3, 0.9))),
    "apple": Kind(plants.apple, ("shade", "plain"), _VIVID),
    "banana": Kind(plants.banana, ("plain", "speckle"), _ANY),
    "carrot": Kind(plants.carrot, ("bands",), _ANY),
    "grapes": Kind(plants.grapes, ("plain", "shade"), _ANY),
    "snowman": Kind(signs.snowman, ("plain",), _LIGHT),
    "feather": Kind(animals.feather, ("bands", "grain"), _ANY),
    "moon": Kind(signs.moon, ("marble", "plain"), _LIGHT),
    "cloud": Kind(signs.cloud, ("marble", "shade"), _LIGHT),
    "snake": Kind(animals.snake, ("zigzag", "lattice"), _ANY),
    "swirl": Kind(signs.swirl, ("bands", "stripes"), _ANY),
    "bottle": Kind(vessels.bottle, ("shade", "plain"), _DEEP),
    "wineglass": Kind(vessels.wineglass, ("shade",), _ANY),
    "kettle": Kind(vessels.kettle, ("plain", "dots"), _ANY),
    "key": Kind(tools.key, ("plain", "grain"), _MUTED),
    "hammer": Kind(tools.hammer, ("plain", "shade"), _MUTED),
    "wrench": Kind(tools.wrench, ("grain", "shade"), _MUTED),
    "scissors": Kind(tools.scissors, ("shade", "plain"), _MUTED),
    "bell": Kind(tools.bell, ("shade", "bands"), _ANY),
    "crown": Kind(signs.crown, ("plain", "dots"), _VIVID),
    "house": Kind(vessels.house, ("bricks",), _ANY),
    "car": Kind(vessels.car, ("plain", "shade"), _VIVID),
    "sailboat": Kind(vessels.sailboat, ("stripes", "plain"), _LIGHT),
    "rocket": Kind(vessels.rocket, ("bands", "plain"), _ANY),
    "balloon": Kind(vessels.balloon, ("stripes", "zigzag"), _VIVID),
    "kite": Kind(signs.kite, ("sectors", "checker"), _VIVID),
    "chair": Kind(tools.chair, ("grain",), Palette((0.0, 0.3), (0.2, 0.8))),
    "lamp": Kind(tools.lamp, ("stripes", "dots"), _LIGHT),
    "clock": Kind(tools.clock, ("plain",), _ANY),
    "glasses": Kind(tools.glasses, ("plain", "checker"), _DEEP),
    "comb": Kind(tools.comb, ("marble", "plain"), _ANY),
    "fork": Kind(tools.fork, ("shade", "plain"), _MUTED),
    "ladder": Kind(tools.ladder, ("grain", "plain"), _ANY),
    "windmill": Kind(vessels.windmill, ("bricks", "weave"), _ANY),
    "hourglass": Kind(tools.hourglass, ("shade",), _ANY),
    "envelope": Kind(vessels.envelope, ("plain", "weave"), _LIGHT),
    "cross": Kind(signs.cross, ("plain", "weave"), _VIVID),
    "star": Kind(signs.star_badge, ("sectors", "plain"), _VIVID),
    "sunburst": Kind(signs.sunburst, ("rings", "plain"), _VIVID),
    "heart": Kind(signs.heart, ("plain", "dots", "checker"), _VIVID),
    "lightning": Kind(signs.lightning, ("shade", "plain"), _VIVID),
    "arrow": Kind(signs.arrow, ("plain", "stripes"), _ANY),
    "donut": Kind(signs.donut, ("plain", "marble"), _ANY),
    "letter_a": Kind(signs.letter_a, ("plain", "weave"), _ANY),
    "letter_s": Kind(signs.letter_s, ("plain", "dots"), _ANY),
    "letter_e": Kind(signs.letter_e, ("plain", "stripes"), _ANY),
    "pinwheel": Kind(signs.pinwheel, ("stripes", "dots"), _VIVID),
    "fish": Kind(animals.fish, ("scales", "stripes"), _ANY),
    "butterfly": Kind(animals.butterfly, ("sectors", "marble"), _VIVID),
    "snail": Kind(animals.snail, ("plain", "bands"), _ANY),
    "gear": Kind(tools.gear, ("grain", "plain"), _MUTED),
    "mug": Kind(vessels.mug, ("plain", "stripes", "dots"), _ANY),
    "umbrella": Kind(vessels.umbrella, ("sectors", "plain"), _VIVID),
    "anchor": Kind(tools.anchor, ("plain", "grain"), _DEEP),
    "guitar": Kind(tools.guitar, ("grain", "shade"), Palette((0.0, 0.4), (0.3, 0.9))),
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
