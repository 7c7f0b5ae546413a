"""How `lite`, or the VRP encoder for another SAM, is trained: numbers that go into the cards."""

from dataclasses import dataclass, replace

import numpy as np

from model.training.lite import StepForm
from pipeline.lite.feed import Feed
from pipeline.lite.pictures import SIDE
from schemas.errors import BadInput

LITE_SAM = "lite-sam"


@dataclass(frozen=True)
class LiteRecipe:
    """How `lite` is trained; its values go into the cards."""

    steps: int = 3800
    seed: int = 1
    targets: int = 8
    rate: float = 1e-3
    warmup: int = 60
    cooldown: float = 0.3
    """Share of the steps over which the rate falls to nothing."""
    weight_decay: float = 0.03
    average: float = 0.997
    """Decay of the running mean of the weights, which is what is kept."""
    dropout: float = 0.25
    bank: int = 2400
    fresh: int = 4
    """New pictures a step."""
    full: float = 0.25
    """Share of the steps that decode SAM's own prompts on the whole of the fine grid."""
    second: float = 0.25
    """Share of the steps that learn from the second pass too."""
    trunk_rate: float = 0.0
    """Of the rate, for the trunk: 0 leaves it as published."""
    sam: bool = True
    """Whether neck and decoder learn too; else the VRP encoder alone, for a SAM as it is."""
    prompts: str = LITE_SAM
    """The SAM whose prompts are learned, by its published name."""
    side: int = SIDE
    """Of the pictures that are drawn, in pixels."""

    def rate_at(self, step: int) -> float:
        """Warm up, hold, and fall linearly."""
        left = (self.steps - step) / max(self.steps * self.cooldown, 1)
        return self.rate * min((step + 1) / self.warmup, left, 1.0)

    def feed(self, processes: int) -> Feed:
        """Return how each of some processes draws."""
        room = self.bank // processes
        return Feed(self.targets, room, min(room, 120), self.fresh, self.side)

    def form(self, rng: np.random.Generator) -> StepForm:
        """Draw what a step does."""
        return StepForm(rng.random() < self.full, rng.random() < self.second)


ADAPTING = LiteRecipe(steps=200, rate=2e-4, warmup=20, cooldown=0.6, sam=False)
"""How the VRP encoder of `lite` is adapted to a user's photos."""

FOR_ANOTHER_SAM = LiteRecipe(
    steps=2000, targets=6, cooldown=0.45, fresh=1, second=0.15, sam=False, side=2 * SIDE
)
"""How the VRP encoder learns to prompt a SAM other than `lite`, which sees more of a picture."""

CONTINUING = LiteRecipe(steps=2000, rate=5e-4, cooldown=0.8)
"""How all of `lite` goes on from what is published."""


def recipe_for(sam: str, start: str) -> LiteRecipe:
    """Return how a SAM's encoder is trained from `nothing`, from `lite`'s, or from `lite-whole`.

    Raises BadInput: only of `lite` is there more than an encoder to go on with.
    """
    if sam == LITE_SAM:
        return {"nothing": LiteRecipe(), "lite": ADAPTING, "lite-whole": CONTINUING}[start]
    if start == "lite-whole":
        raise BadInput("a SAM that stays as it is", "--start", start, "nothing or lite")
    recipe = FOR_ANOTHER_SAM if start == "nothing" else ADAPTING
    return replace(recipe, prompts=sam, side=FOR_ANOTHER_SAM.side, fresh=FOR_ANOTHER_SAM.fresh)
