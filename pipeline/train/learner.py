"""A worker's episodes of a step become one optimiser step that is the same for every worker.

The gradient is the mean over the whole batch, however it is shared out: each worker adds up the
losses of its share, in as many passes as it likes, and DistributedDataParallel's mean over workers
is scaled back to a sum. Only the encoder is inside; frozen networks stay outside, in eval mode.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim import AdamW

from model.methods.vrp import VrpNetworks
from model.networks.device import Precision
from model.training.loss import Terms
from model.training.train_step import EpisodeTensors, episode_logits, episode_losses, freeze
from schemas.job.train import Recipe


@dataclass(frozen=True)
class Worker:
    """Which of how many workers this process is, and what it computes on."""

    rank: int
    workers: int
    device: str
    precision: Precision
    episodes_per_pass: int


class Learner:
    """Holds the networks, the optimiser and, with several workers, what joins their gradients."""

    def __init__(self, networks: VrpNetworks, recipe: Recipe, worker: Worker) -> None:
        freeze(networks, worker.precision)
        self.networks = networks
        self.worker = worker
        self._batch = recipe.batch
        self._loss: Terms = recipe.loss
        self.optimizer = AdamW(
            networks.encoder.parameters(),
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
        )
        self._shared: DistributedDataParallel | None = None

    def learn(self, episodes: Sequence[EpisodeTensors], rate: float) -> Tensor:
        """Take one step; return the sum of the losses of this worker's episodes, not yet read."""
        if self.worker.workers > 1 and self._shared is None:
            # Here and not at the start: it copies rank 0's weights, which a resume loads first.
            self._shared = DistributedDataParallel(self.networks.encoder)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        prompt = self._shared or self.networks.encoder
        total = torch.zeros((), device=self.worker.device)
        passes = list(in_passes(episodes, self.worker.episodes_per_pass))
        for number, indices in enumerate(passes):
            more = number + 1 < len(passes)
            with self._shared.no_sync() if self._shared and more else nullcontext():
                chosen = [episodes[i] for i in indices]
                loss = episode_losses(self.networks, prompt, chosen, self._loss).sum()
                (loss * self.worker.workers / self._batch).backward()
            total += loss.detach()
        self.optimizer.step()
        return total

    @torch.no_grad()
    def overlaps(self, episodes: Sequence[EpisodeTensors]) -> Tensor:
        """Return the intersection and union of each episode's mask with the truth: [B, 2]."""
        found = torch.zeros(len(episodes), 2, dtype=torch.float64)
        for indices in in_passes(episodes, self.worker.episodes_per_pass):
            chosen = [episodes[i] for i in indices]
            logits_BHW = episode_logits(self.networks, self.networks.encoder, chosen).cpu()
            valid_BHW = torch.stack([e.valid_HW for e in chosen])
            truth_BHW = torch.stack([e.truth_HW for e in chosen]).bool() & valid_BHW
            mask_BHW = (logits_BHW > 0) & valid_BHW
            found[indices, 0] = (mask_BHW & truth_BHW).sum(dim=(1, 2)).double()
            found[indices, 1] = (mask_BHW | truth_BHW).sum(dim=(1, 2)).double()
        return found

    def sum_over_workers(self, values: Tensor) -> Tensor:
        """Return the sum of every worker's values, which must agree in shape."""
        if self.worker.workers > 1:
            values = values.to(self.worker.device)
            torch.distributed.all_reduce(values)
        return values.cpu()


def in_passes(episodes: Sequence[EpisodeTensors], most: int) -> Iterator[list[int]]:
    """Cut episodes into forward passes of equal numbers of references: their indices."""
    by_references: dict[int, list[int]] = {}
    for index, episode in enumerate(episodes):
        by_references.setdefault(len(episode.references_R3HW), []).append(index)
    for indices in by_references.values():
        for start in range(0, len(indices), most):
            yield indices[start : start + most]
