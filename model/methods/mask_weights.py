"""A reference's three mask scales and its truth become the weights that mix them: PerSAM-F.

Letters beyond those of model/segmenter.py: N pixels of a reference image.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from model.local_files import one_at_a_time, whole_file


@dataclass(frozen=True)
class Recipe:
    """The training's numbers: PerSAM supplement, section C.1, and its public code."""

    epochs: int = 1000
    learning_rate: float = 1e-3


class Scales(NamedTuple):
    """One reference: logits of SAM's three masks and the truth, at the reference image's size."""

    logits_3N: Tensor
    truth_N: Tensor


def train_mask_weights(references: Sequence[Scales], recipe: Recipe) -> Tensor:
    """Return the weights of the three scales, float32 [3], that sum to 1.

    Two are learned, from 1/3 each; the first is what they leave. AdamW with a cosine to 0; the loss
    is Dice + focal, averaged over the references at every step.
    """
    device = references[0].logits_3N.device
    with torch.enable_grad():
        learned_21 = torch.nn.Parameter(torch.ones(2, 1, device=device) / 3)
        # eps is the public code's.
        optimizer = torch.optim.AdamW([learned_21], lr=recipe.learning_rate, eps=1e-4)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.epochs)
        for _ in range(recipe.epochs):
            losses = [_loss(_mixed(one.logits_3N, learned_21), one.truth_N) for one in references]
            optimizer.zero_grad()
            torch.stack(losses).mean().backward()
            optimizer.step()
            schedule.step()
    return _all_three(learned_21.detach())[:, 0]


def cached_mask_weights(
    references: Sequence[Scales], recipe: Recipe, folder: Path | None
) -> Tensor:
    """Return `train_mask_weights`, trained once for the same logits, truths and recipe.

    folder keeps the results of all processes of a node, of which one trains and the others wait;
    None keeps nothing.
    """
    if folder is None:
        return train_mask_weights(references, recipe)
    digest = hashlib.sha256(json.dumps(asdict(recipe)).encode())
    for one in references:
        digest.update(one.logits_3N.cpu().numpy().tobytes())
        digest.update(one.truth_N.cpu().numpy().tobytes())
    path = folder / "mask-weights" / f"{digest.hexdigest()[:32]}.json"
    with one_at_a_time(path):
        if path.is_file():
            return torch.tensor(json.loads(path.read_text()), device=references[0].truth_N.device)
        weights_3 = train_mask_weights(references, recipe)
        with whole_file(path) as file:
            file.write_text(json.dumps(weights_3.tolist()))
    return weights_3


def _all_three(learned_21: Tensor) -> Tensor:
    return torch.cat([1 - learned_21.sum(dim=0).unsqueeze(0), learned_21])


def _mixed(logits_3N: Tensor, learned_21: Tensor) -> Tensor:
    return (logits_3N * _all_three(learned_21)).sum(dim=0)


def _loss(logits_N: Tensor, truth_N: Tensor) -> Tensor:
    """Return Dice with 1 added above and below, plus focal with alpha 0.25 and gamma 2."""
    probability_N = logits_N.sigmoid()
    overlap = 2 * (probability_N * truth_N).sum()
    dice = 1 - (overlap + 1) / (probability_N.sum() + truth_N.sum() + 1)
    entropy_N = F.binary_cross_entropy_with_logits(logits_N, truth_N, reduction="none")
    right_N = probability_N * truth_N + (1 - probability_N) * (1 - truth_N)
    weight_N = 0.25 * truth_N + 0.75 * (1 - truth_N)
    return dice + (weight_N * (entropy_N * (1 - right_N) ** 2)).mean()
