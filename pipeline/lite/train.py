"""Photos become the `lite` weights: one resumable loop, whose pictures a second process makes.

`lite.pt` holds the networks, their running mean and the optimiser; progress.jsonl a line every
REPORT_STEPS. The rate is constant after a warm-up and falls to nothing over the last part, so that
a run's number of steps may still be changed before that part begins.
"""

import json
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from model.networks.lite.sam import WIDTH
from model.networks.lite.trunk import LiteTrunk
from model.training.lite import LiteNetworks, coarsened, draw_dropout, step_losses
from pipeline.lite.bank import Bank, Made, make_pictures
from pipeline.lite.draw import Episodes
from pipeline.lite.photos import Photo

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
    first_pictures: int = 300
    coarse: float = 0.85
    """Share of the steps that decode on half the grid, first."""

    def pictures_at(self, added: int) -> int:
        """How many new pictures a step takes in: on one core each costs a tenth of a step."""
        return 4 if added < self.bank / 3 else 2

    def rate_at(self, step: int) -> float:
        """Warm up, hold, and fall linearly."""
        left = (self.steps - step) / max(self.steps * self.cooldown, 1)
        return self.rate * min((step + 1) / self.warmup, left, 1.0)


class LiteLearner:
    """Networks, their running mean, and the optimiser."""

    def __init__(self, trunk: LiteTrunk, recipe: LiteRecipe) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.networks = LiteNetworks(trunk)
        self.average = {k: v.clone() for k, v in self.networks.learned().items()}
        learning = [p for p in self.networks.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": [p for p in learning if p.ndim > 1]},
                # Biases, norms and embeddings of one vector shrink nothing that could overfit.
                {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
            ],
            betas=(0.9, 0.98),
            weight_decay=recipe.weight_decay,
        )
        self.step, self.seconds = 0, 0.0

    def learn(self, losses: dict[str, Tensor]) -> None:
        """Take one step down the sum of the losses."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate_at(self.step)
        total = torch.stack([v for k, v in losses.items() if not k.startswith("iou_")]).sum()
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.networks.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        kept = min(self.recipe.average, self.step / (self.step + 10))
        for name, value in self.networks.learned().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - kept)

    def save(self, path: Path) -> None:
        """Write beside, then rename."""
        partial = path.with_suffix(".part")
        torch.save(
            {
                "networks": self.networks.learned(),
                "average": self.average,
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
                "seconds": self.seconds,
            },
            partial,
        )
        partial.rename(path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint, if there is one."""
        if not path.is_file():
            return
        saved = torch.load(path, weights_only=True, map_location="cpu")
        self.networks.load_state_dict(saved["networks"], strict=False)
        self.average.update(saved["average"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step, self.seconds = saved["step"], saved["seconds"]


@contextmanager
def pictures_beside(
    photos: Sequence[Photo], seed: int, trunk: LiteTrunk
) -> Iterator["Queue[Made]"]:
    """Run `make_pictures` in a process of its own for as long as the block lasts."""
    context = multiprocessing.get_context("fork")
    made: Queue[Made] = context.Queue(maxsize=8)
    stop = context.Event()
    process = context.Process(
        target=make_pictures, args=(photos, seed, trunk, made, stop), daemon=True
    )
    process.start()
    try:
        yield made
    finally:
        stop.set()
        process.join(timeout=10)
        process.terminate()


def train_lite(recipe: LiteRecipe, photos: Sequence[Photo], trunk: LiteTrunk, folder: Path) -> None:
    """Train, or go on from the checkpoint in `folder`, to the recipe's last step."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    learner = LiteLearner(trunk, recipe)
    learner.resume(folder / "lite.pt")
    bank = Bank(recipe.bank)
    episodes = Episodes(bank, recipe.targets, garments(photos))
    means: dict[str, list[float]] = {}
    with pictures_beside(photos, recipe.seed + 1000 * learner.step, trunk) as made:
        bank.take_in(made, recipe.first_pictures, waiting=True)
        before = saved_at = time.monotonic()
        while learner.step < recipe.steps:
            bank.take_in(made, recipe.pictures_at(bank.added), waiting=False)
            rng = np.random.default_rng([recipe.seed, learner.step])
            batch = episodes.draw(rng)
            if learner.step < recipe.coarse * recipe.steps:
                batch = coarsened(batch)
            generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
            dropout = draw_dropout(
                recipe.targets, len(batch.episodes.mask_Rhw), WIDTH, recipe.dropout, generator
            )
            losses = step_losses(learner.networks, batch, dropout)
            learner.learn(losses)
            for name, value in losses.items():
                means.setdefault(name, []).append(float(value.detach()))
            now = time.monotonic()
            learner.seconds, before = learner.seconds + now - before, now
            if learner.step % REPORT_STEPS == 0:
                _report(folder / "progress.jsonl", learner, bank, means)
                means = {}
            if now - saved_at > SAVE_SECONDS or learner.step == recipe.steps:
                learner.save(folder / "lite.pt")
                saved_at = now


def garments(photos: Sequence[Photo]) -> frozenset[str]:
    """Return the categories that only the clothing photos have: near-synonyms that overlap."""
    other = {name for p in photos if not p.source.startswith("ccp") for name in p.masks}
    return frozenset({name for p in photos for name in p.masks} - other)


def _report(path: Path, learner: LiteLearner, bank: Bank, means: dict[str, list[float]]) -> None:
    line = {
        "step": learner.step,
        "minutes": round(learner.seconds / 60, 2),
        "rate": round(learner.recipe.rate_at(learner.step), 6),
        "pictures": bank.added,
        **{name: round(float(np.mean(values)), 4) for name, values in sorted(means.items())},
    }
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
