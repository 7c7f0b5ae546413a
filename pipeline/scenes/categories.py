"""The categories: a name, how it is drawn, how its surface looks; base, folds and reserved."""

from collections.abc import Callable
from typing import NamedTuple

from numpy.random import Generator

from pipeline.scenes import shapes_made as made
from pipeline.scenes import shapes_nature as nature
from pipeline.scenes.colours import Palette
from pipeline.scenes.shapes_nature import Shape
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
    "leaf": Kind(nature.leaf, ("plain", "shade"), Palette((0.0, 0.5), (0.4, 0.95))),
    "shell": Kind(nature.shell, ("bands", "shade"), _LIGHT),
    "flower": Kind(nature.flower, ("plain", "rings"), _VIVID),
    "bird": Kind(nature.bird, ("plain", "speckle"), _ANY),
    "turtle": Kind(nature.turtle, ("lattice", "scales"), _DEEP),
    "octopus": Kind(nature.octopus, ("dots", "speckle"), _VIVID),
    "mushroom": Kind(nature.mushroom, ("plain", "shade"), _ANY),
    "conifer": Kind(nature.conifer, ("speckle", "grain"), Palette((0.1, 0.7), (0.3, 0.9), (0.2, 0.7))),
    "tree": Kind(nature.tree, ("speckle", "marble"), Palette((0.0, 0.6), (0.3, 0.9), (0.25, 0.8))),
    "cactus": Kind(nature.cactus, ("stripes",), Palette((0.1, 0.6), (0.3, 0.9))),
    "apple": Kind(nature.apple, ("shade", "plain"), _VIVID),
    "banana": Kind(nature.banana, ("plain", "speckle"), _ANY),
    "carrot": Kind(nature.carrot, ("bands",), _ANY),
    "grapes": Kind(nature.grapes, ("plain", "shade"), _ANY),
    "snowman": Kind(nature.snowman, ("plain",), _LIGHT),
    "feather": Kind(nature.feather, ("bands", "grain"), _ANY),
    "moon": Kind(nature.moon, ("marble", "plain"), _LIGHT),
    "cloud": Kind(nature.cloud, ("marble", "shade"), _LIGHT),
    "snake": Kind(nature.snake, ("zigzag", "lattice"), _ANY),
    "swirl": Kind(nature.swirl, ("bands", "stripes"), _ANY),
    "bottle": Kind(made.bottle, ("shade", "plain"), _DEEP),
    "wineglass": Kind(made.wineglass, ("shade",), _ANY),
    "kettle": Kind(made.kettle, ("plain", "dots"), _ANY),
    "key": Kind(made.key, ("plain", "grain"), _MUTED),
    "hammer": Kind(made.hammer, ("plain", "shade"), _MUTED),
    "wrench": Kind(made.wrench, ("grain", "shade"), _MUTED),
    "scissors": Kind(made.scissors, ("shade", "plain"), _MUTED),
    "bell": Kind(made.bell, ("shade", "bands"), _ANY),
    "crown": Kind(made.crown, ("plain", "dots"), _VIVID),
    "house": Kind(made.house, ("bricks",), _ANY),
    "car": Kind(made.car, ("plain", "shade"), _VIVID),
    "sailboat": Kind(made.sailboat, ("stripes", "plain"), _LIGHT),
    "rocket": Kind(made.rocket, ("bands", "plain"), _ANY),
    "balloon": Kind(made.balloon, ("stripes", "zigzag"), _VIVID),
    "kite": Kind(made.kite, ("sectors", "checker"), _VIVID),
    "chair": Kind(made.chair, ("grain",), Palette((0.0, 0.3), (0.2, 0.8))),
    "lamp": Kind(made.lamp, ("stripes", "dots"), _LIGHT),
    "clock": Kind(made.clock, ("plain",), _ANY),
    "glasses": Kind(made.glasses, ("plain", "checker"), _DEEP),
    "comb": Kind(made.comb, ("marble", "plain"), _ANY),
    "fork": Kind(made.fork, ("shade", "plain"), _MUTED),
    "ladder": Kind(made.ladder, ("grain", "plain"), _ANY),
    "windmill": Kind(made.windmill, ("bricks", "weave"), _ANY),
    "hourglass": Kind(made.hourglass, ("shade",), _ANY),
    "envelope": Kind(made.envelope, ("plain", "weave"), _LIGHT),
    "cross": Kind(made.cross, ("plain", "weave"), _VIVID),
    "star": Kind(made.star_badge, ("sectors", "plain"), _VIVID),
    "sunburst": Kind(made.sunburst, ("rings", "plain"), _VIVID),
    "heart": Kind(made.heart, ("plain", "dots", "checker"), _VIVID),
    "lightning": Kind(made.lightning, ("shade", "plain"), _VIVID),
    "arrow": Kind(made.arrow, ("plain", "stripes"), _ANY),
    "donut": Kind(made.donut, ("plain", "marble"), _ANY),
    "letter_a": Kind(made.letter_a, ("plain", "weave"), _ANY),
    "letter_s": Kind(made.letter_s, ("plain", "dots"), _ANY),
    "letter_e": Kind(made.letter_e, ("plain", "stripes"), _ANY),
    "pinwheel": Kind(made.pinwheel, ("stripes", "dots"), _VIVID),
    "fish": Kind(nature.fish, ("scales", "stripes"), _ANY),
    "butterfly": Kind(nature.butterfly, ("sectors", "marble"), _VIVID),
    "snail": Kind(nature.snail, ("plain", "bands"), _ANY),
    "gear": Kind(made.gear, ("grain", "plain"), _MUTED),
    "mug": Kind(made.mug, ("plain", "stripes", "dots"), _ANY),
    "umbrella": Kind(made.umbrella, ("sectors", "plain"), _VIVID),
    "anchor": Kind(made.anchor, ("plain", "grain"), _DEEP),
    "guitar": Kind(made.guitar, ("grain", "shade"), Palette((0.0, 0.4), (0.3, 0.9))),
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
