"""A target's likeness to annotated references becomes a pseudo-mask and SAM's dense prompt.

VRP-SAM's pseudo-mask is one cosine. Here a small network reads several: to the object and to what
surrounds it in the reference, best cell and mean, of two frozen depths and of a learned metric.
What it sees is likeness only, never what things look like, so that it holds for categories that
nobody trained on. On validation photos the best threshold of a cosine to the object reached an IoU
of 0.30, less the one to its surroundings 0.36, of both depths 0.38.

Letters beyond those of model/segmenter.py: R references of a pair, M their number, P pairs, S cells
of the deep grid, d depths, L likenesses of one depth.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LIKENESSES = 7
"""Of one depth: see `likenesses`."""

FOUND_HW = 0.5
"""A cell of the deep grid is object where half of it is; less, where most of an annotation would be
lost by that (points, strokes): then a quarter, one of its four fine cells."""

PAIRS_AT_ONCE = 128
"""On a GPU: 170 MB of cosines of 576 cells to 576."""


@dataclass(frozen=True)
class Surroundings:
    """Which cells of references are object: weights [R, S], and hard choices object and around."""

    weight_RS: Tensor
    object_RS: Tensor
    around_RS: Tensor

    @staticmethod
    def of(mask_Rhw: Tensor) -> "Surroundings":
        """Divide the deep grid by an annotation on the fine grid, twice as fine; never empty."""
        weight_RS = F.avg_pool2d(mask_Rhw[:, None].float(), 2).flatten(1)
        full_RS = weight_RS >= FOUND_HW
        kept_R = (weight_RS * full_RS).sum(1) >= FOUND_HW * weight_RS.sum(1)
        object_RS = torch.where(kept_R[:, None], full_RS, weight_RS > 0)
        return Surroundings(weight_RS, object_RS, weight_RS < 0.1)


def likenesses(target_PSC: Tensor, reference_PSC: Tensor, around: Surroundings) -> Tensor:
    """Return what a target's unit cells have in common with a reference's: [P, LIKENESSES, S].

    Cosines: to the object's most similar cell and its mean, to the surroundings' the same; then,
    stretched to 0..1 an image, the first, and the two differences.
    """
    best_PS = _best(target_PSC, reference_PSC, around.object_RS)
    best_around_PS = _best(target_PSC, reference_PSC, around.around_RS)
    mean_PS = _mean(target_PSC, reference_PSC, around.weight_RS)
    mean_around_PS = _mean(target_PSC, reference_PSC, 1 - around.weight_RS)
    raw_PLS = torch.stack([best_PS, mean_PS, best_around_PS, mean_around_PS], dim=1)
    differences_PLS = torch.stack(
        [best_PS, best_PS - best_around_PS, mean_PS - mean_around_PS], dim=1
    )
    low_PL1 = differences_PLS.amin(dim=2, keepdim=True)
    high_PL1 = differences_PLS.amax(dim=2, keepdim=True)
    return torch.cat([raw_PLS, (differences_PLS - low_PL1) / (high_PL1 - low_PL1 + 1e-4)], dim=1)


def _best(target_PSC: Tensor, reference_PSC: Tensor, chosen_PR: Tensor) -> Tensor:
    if target_PSC.device.type == "cpu":
        return best_by_pair(target_PSC, reference_PSC, chosen_PR)
    parts = [part.split(PAIRS_AT_ONCE) for part in (target_PSC, reference_PSC, chosen_PR)]
    return torch.cat([best_masked(*pairs) for pairs in zip(*parts, strict=True)])


def best_by_pair(target_PSC: Tensor, reference_PSC: Tensor, chosen_PR: Tensor) -> Tensor:
    """Return the greatest cosine to a chosen cell, [P, S]; -1 where none is.

    On a CPU, cutting cells costs less than masking all of 576 x 576, a quarter of a step.
    """
    best = []
    for target_SC, reference_SC, chosen_R in zip(target_PSC, reference_PSC, chosen_PR, strict=True):
        cells_FC = reference_SC[chosen_R]
        if len(cells_FC):
            best.append((target_SC @ cells_FC.T).max(dim=1).values)
        else:
            best.append(target_SC.new_full((len(target_SC),), -1.0))
    return torch.stack(best)


def best_masked(target_PSC: Tensor, reference_PSC: Tensor, chosen_PR: Tensor) -> Tensor:
    """Return the same as `best_by_pair`; a GPU would wait there for the number of every cut."""
    cosine_PSR = target_PSC @ reference_PSC.transpose(1, 2)
    return cosine_PSR.masked_fill(~chosen_PR[:, None], -1.0).amax(dim=2)


def _mean(target_PSC: Tensor, reference_PSC: Tensor, weight_PS: Tensor) -> Tensor:
    mean_PC = F.normalize((weight_PS[..., None] * reference_PSC).sum(dim=1), dim=1)
    return (target_PSC @ mean_PC[..., None])[..., 0]


@dataclass(frozen=True)
class Likeness:
    """Of P pairs: pseudo-mask logits [P, 1, h, w], dense prompt [P, D, h, w], presence logit [P].

    The last says whether the target shows the object at all.
    """

    pseudo_P1hw: Tensor
    dense_PDhw: Tensor
    present_P: Tensor


class SimilarityPrompt(nn.Module):
    """Likenesses of P pairs become a pseudo-mask, a dense prompt and whether there is anything."""

    def __init__(
        self, depths: tuple[int, ...], width: int, metric: int = 96, hidden: int = 64
    ) -> None:
        super().__init__()
        self.depths = depths
        """Channels of the depths in the deep map, in order."""
        self.metric = nn.Conv2d(sum(depths), metric, 1, bias=False)
        channels = LIKENESSES * (len(depths) + 1)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, hidden, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.GELU(),
        )
        self.pseudo = nn.Conv2d(hidden, 1, 1)
        self.dense = nn.Conv2d(hidden, width, 1)
        self.present = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.GELU(), nn.Linear(hidden, 1))
        # Nothing at first: the decoder begins with the image alone.
        nn.init.zeros_(self.dense.weight)
        assert self.dense.bias is not None
        nn.init.zeros_(self.dense.bias)

    def cells(self, deep_BChw: Tensor, scale_BC: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return the unit cells of each depth and of the learned metric: [B, S, C] each.

        scale_BC are Dropout2d's factors for what the metric reads.
        """
        depths = [F.normalize(depth, dim=1) for depth in deep_BChw.split(self.depths, dim=1)]
        joined_BChw = torch.cat(depths, dim=1)
        if scale_BC is not None:
            joined_BChw = joined_BChw * scale_BC[..., None, None]
        metric_BChw = F.normalize(self.metric(joined_BChw), dim=1)
        return tuple(level.flatten(2).transpose(1, 2) for level in (*depths, metric_BChw))

    def forward(
        self,
        target: tuple[Tensor, ...],
        references: tuple[Tensor, ...],
        around: Surroundings,
        shots: int,
    ) -> "Likeness":
        """Read how alike P targets and their references are.

        target are `cells` of P targets, references of P * shots references, pair by pair.
        """
        levels = [
            likenesses(t_PSC.repeat_interleave(shots, dim=0), r_PSC, around)
            for t_PSC, r_PSC in zip(target, references, strict=True)
        ]
        likeness_PMdLS = torch.stack(levels, dim=1).unflatten(0, (-1, shots))
        # The best of several references where best is meant, and their mean elsewhere.
        mean_PdLS = likeness_PMdLS.mean(dim=1)
        if shots > 1:
            for place in (0, 4):
                mean_PdLS[:, :, place] = likeness_PMdLS[:, :, :, place].amax(dim=1)
        mean_PLS = mean_PdLS.flatten(1, 2)
        side = int(mean_PLS.shape[2] ** 0.5)
        hidden_PDhw = self.layers(mean_PLS.unflatten(2, (side, side)))
        pooled_PD = torch.cat([hidden_PDhw.amax(dim=(2, 3)), hidden_PDhw.mean(dim=(2, 3))], dim=1)
        return Likeness(
            self.pseudo(hidden_PDhw), self.dense(hidden_PDhw), self.present(pooled_PD)[:, 0]
        )
