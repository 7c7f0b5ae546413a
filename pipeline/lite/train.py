"""Photos become the `lite` weights: one resumable loop, whose batches other processes draw.

`lite.pt` holds the networks, their running mean, the optimiser and what all came from
(pipeline/lite/photos.py); progress.jsonl a line every
REPORT_STEPS. The rate is constant after a warm-up and falls to nothing over the last part, so that
a run's number of steps may still be changed before that part begins.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from model.networks.lite.sam import WIDTH
from model.networks.lite.trunk import LiteTrunk
from model.training.lite import (
    POSITIVE,
    EpisodeBatch,
    LiteBatch,
    LiteNetworks,
    PromptBatch,
    StepForm,
    draw_dropout,
    step_losses,
)
from pipeline.lite.draw import Drawn, DrawnPrompts
from pipeline.lite.feed import Drawers, Feed, batches_beside
from pipeline.lite.photos import Material, Origin, check_origin
from pipeline.lite.report import Report
from pipeline.lite.store import Store

REPORT_STEPS = 20
SAVE_SECONDS = 150


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

    def rate_at(self, step: int) -> float:
        """Warm up, hold, and fall linearly."""
        left = (self.steps - step) / max(self.steps * self.cooldown, 1)
        return self.rate * min((step + 1) / self.warmup, left, 1.0)

    def feed(self, processes: int) -> Feed:
        """Return how each of some processes draws."""
        room = self.bank // processes
        return Feed(self.targets, room, min(room, 120), self.fresh)

    def form(self, rng: np.random.Generator) -> StepForm:
        """Draw what a step does."""
        return StepForm(rng.random() < self.full, rng.random() < self.second)


ADAPTING = LiteRecipe(steps=200, rate=2e-4, warmup=20, cooldown=0.6, sam=False)
"""How the VRP encoder of `lite` is adapted to a user's photos."""

CONTINUING = LiteRecipe(steps=2000, rate=5e-4, cooldown=0.8)
"""How all of `lite` goes on from what is published."""


class Hardware(NamedTuple):
    """What trains, cpu or cuda, and the processes that draw beside it."""

    device: str = "cpu"
    processes: int = 1


class Start(NamedTuple):
    """What a training comes from, and the weights that it begins with; None: fresh ones."""

    origin: Origin
    weights: dict[str, Tensor] | None = None


class LiteLearner:
    """Networks, their running mean, and the optimiser, on a device."""

    def __init__(self, trunk: LiteTrunk, recipe: LiteRecipe, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.device = device
        self.trunk = trunk.to(device)
        if device.type == "cuda":
            torch.set_float32_matmul_precision("high")
            self.trunk = self.trunk.to(memory_format=torch.contiguous_format)
        learning = recipe.trunk_rate > 0
        self.store = Store(self.trunk, recipe.bank, learning, device)
        self.networks = LiteNetworks(self.trunk).to(device)
        self.networks.sam.requires_grad_(recipe.sam)
        self.trunk.requires_grad_(learning)
        self.average = {k: v.clone() for k, v in self.learned().items()}
        own = list((self.networks if recipe.sam else self.networks.vrp).parameters())
        self.optimiser = torch.optim.AdamW(
            [
                {"params": [p for p in own if p.ndim > 1], "share": 1.0},
                # Biases, norms and embeddings of one vector shrink nothing that could overfit.
                {"params": [p for p in own if p.ndim <= 1], "weight_decay": 0.0, "share": 1.0},
                {
                    "params": list(self.trunk.parameters()) if learning else [],
                    "weight_decay": 0.0,
                    "share": recipe.trunk_rate,
                },
            ],
            betas=(0.9, 0.98),
            weight_decay=recipe.weight_decay,
        )
        self.step, self.seconds = 0, 0.0
        self.origin: Origin | None = None

    def learned(self) -> dict[str, Tensor]:
        """Return the state of what learns."""
        state = self.networks.learned()
        if self.recipe.trunk_rate > 0:
            state |= {f"trunk.{k}": v for k, v in self.trunk.state_dict().items()}
        return state

    def begin_with(self, state: dict[str, Tensor]) -> None:
        """Take weights to start from, without a trunk's."""
        self._take(state)
        self.average = {k: v.clone() for k, v in self.learned().items()}

    def _take(self, state: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self.learned().items():
                value.copy_(state[name])

    def losses(self, batch: LiteBatch) -> dict[str, Tensor]:
        """Return a batch's losses, with this step's dropout and form."""
        rng = np.random.default_rng([self.recipe.seed, self.step])
        form = self.recipe.form(rng)
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**62)))
        targets, references = len(batch.targets.mid_BChw), len(batch.episodes.mask_Rhw)
        dropout = draw_dropout(targets, references, WIDTH, self.recipe.dropout, generator)
        return step_losses(self.networks, batch, dropout, form)

    def learn(self, losses: dict[str, Tensor]) -> None:
        """Take one step down the sum of the losses."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate_at(self.step) * group["share"]
        total = torch.stack([v for k, v in losses.items() if not k.startswith("iou_")]).sum()
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.networks.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        kept = min(self.recipe.average, self.step / (self.step + 10))
        for name, value in self.learned().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - kept)

    def save(self, path: Path) -> None:
        """Write beside, then rename."""
        partial = path.with_suffix(".part")
        torch.save(
            {
                "networks": self.learned(),
                "average": self.average,
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
                "seconds": self.seconds,
                "recipe": asdict(self.recipe),
                "origin": self.origin,
            },
            partial,
        )
        partial.rename(path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint, if there is one."""
        if not path.is_file():
            return
        saved = torch.load(path, weights_only=True, map_location=self.device)
        self._take(saved["networks"])
        self.average.update(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step, self.seconds = saved["step"], saved["seconds"]
        self.origin = saved.get("origin")


def train_lite(
    recipe: LiteRecipe,
    material: Material,
    trunk: LiteTrunk,
    folder: Path,
    on: Hardware,
    start: Start,
) -> None:
    """Train, or go on from the checkpoint in `folder`, to the recipe's last step.

    Raises BadInput for a checkpoint that came from something else.
    """
    device, processes = on
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "lite.pt"
    begun = steps_done(checkpoint)
    if begun:
        check_origin(origin_kept(checkpoint), start.origin, str(checkpoint))
    seed = recipe.seed + 1000 * begun
    with batches_beside(material, recipe.feed(processes), seed, processes) as drawers:
        learner = LiteLearner(trunk, recipe, torch.device(device))
        learner.origin = start.origin
        if start.weights is not None and not begun:
            learner.begin_with(start.weights)
        learner.resume(checkpoint)
        batches = Batches(drawers, learner)
        report = Report(folder / "progress.jsonl")
        before = saved_at = time.monotonic()
        while learner.step < recipe.steps:
            losses = learner.losses(batches.next())
            learner.learn(losses)
            report.add(losses)
            now = time.monotonic()
            learner.seconds, before = learner.seconds + now - before, now
            if learner.step % REPORT_STEPS == 0:
                report.write(learner.step, learner.seconds, recipe.rate_at(learner.step))
            if now - saved_at > SAVE_SECONDS or learner.step == recipe.steps:
                learner.save(checkpoint)
                saved_at = now


def steps_done(checkpoint: Path) -> int:
    """Return a checkpoint's step; 0 without one."""
    if not checkpoint.is_file():
        return 0
    return _kept(checkpoint)["step"]


def origin_kept(checkpoint: Path) -> Origin | None:
    """Return what a checkpoint says it came from; None for one of before this was kept."""
    return _kept(checkpoint).get("origin")


def _kept(checkpoint: Path) -> dict[str, Any]:
    return torch.load(checkpoint, weights_only=True, map_location="cpu", mmap=True)


class Batches:
    """What is drawn beside becomes batches on the learner's device."""

    def __init__(self, drawers: Drawers, learner: LiteLearner) -> None:
        self._drawers = drawers
        self._learner = learner

    def next(self) -> LiteBatch:
        """Wait for a batch; keep the pictures that come with it and before it."""
        while True:
            message = self._drawers.next()
            self._learner.store.add(message.slots, message.images_NHW3)
            if message.drawn is not None:
                return batch_of(message.drawn, self._learner.store, self._learner.device)


def batch_of(drawn: Drawn, store: Store, device: torch.device) -> LiteBatch:
    """Put a drawn step on a device, with the maps of its pictures."""

    def given(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(device).float()

    def prompts(drawn: DrawnPrompts) -> PromptBatch:
        truth_BHW, wider_BHW = given(drawn.truth_BHW), given(drawn.wider_BHW)
        if drawn.boxes_B4 is not None:
            return PromptBatch(None, None, given(drawn.boxes_B4), truth_BHW, wider_BHW)
        assert drawn.points_BT2 is not None, "a prompt is a box or points"
        labels_BT = torch.full(drawn.points_BT2.shape[:2], POSITIVE, device=device)
        return PromptBatch(given(drawn.points_BT2), labels_BT, None, truth_BHW, wider_BHW)

    references = store.maps(drawn.references, learns=False)
    episodes = EpisodeBatch(references, given(drawn.mask_Rhw), given(drawn.truth_PHW), drawn.shots)
    targets = store.maps(drawn.targets, learns=True)
    return LiteBatch(targets, episodes, prompts(drawn.boxes), prompts(drawn.points))
