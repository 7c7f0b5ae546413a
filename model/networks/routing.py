"""A category's many references become the few that an image is asked with.

Those whose object looks most like something in the image: the cosine of an object's mean cell to
the image's best matching cells. That costs a product of a vector a reference; what follows, prompts
and masks, costs what the few do.
Letters beyond those of model/segmenter.py: R references, M of them that an image is asked with, S
cells of an image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.networks.pseudo_mask import unit_cells

Behind = tuple[tuple[str, float], ...]
"""References that a mask was asked with, by id, and how much each counts."""

MATCHING_CELLS = 8
"""Of an image are compared: more than one or two that are alike by chance."""

SHARPNESS = 20.0
"""Of weights, per unit of cosine: a reference less alike by 0.05 weighs a third as much."""


@dataclass(frozen=True)
class Routes:
    """Which references B images are asked with for each of K categories, and how much each counts.

    chosen_BKM are numbers of references, the most alike first; weight_BKM sums to 1 over M. Where a
    category has fewer than M, its first stands for those that lack, and weighs nothing. Of one
    whose references are all asked they come in its own order, and weigh the same.
    """

    chosen_BKM: Tensor
    weight_BKM: Tensor


class Router:
    """Knows each reference's object, and which references the categories have, by number.

    look_RC are of length 1. best says of each category how many of them an image is asked with,
    None: all, which are then not named.
    """

    def __init__(
        self,
        ids: Sequence[str],
        own: Sequence[Sequence[int]],
        look_RC: Tensor,
        best: Sequence[int | None],
    ) -> None:
        self._ids, self._look_RC, self._best = ids, look_RC, best
        self._own = [torch.tensor(numbers, device=look_RC.device) for numbers in own]
        self.kept = [list(numbers[:most]) for numbers, most in zip(own, best, strict=True)]
        """As many of each category's as an image is asked with."""
        self.chooses = any(most is not None for most in best)

    def routes(self, high_BChw: Tensor) -> Routes | None:
        """Choose for images, by their high-level map; None where every reference is asked."""
        if not self.chooses:
            return None
        return route(likeness(unit_cells(high_BChw), self._look_RC), self._own, self._best)

    def behind(self, routes: Routes | None) -> list[list[Behind]]:
        """Return the references behind each mask of B images and K categories; none: nothing."""
        if routes is None:
            return []
        asked = zip(routes.chosen_BKM.tolist(), routes.weight_BKM.tolist(), strict=True)
        return [
            [self._behind(*one) for one in zip(self._best, *image, strict=True)] for image in asked
        ]

    def _behind(self, best: int | None, numbers: Sequence[int], weights: Sequence[float]) -> Behind:
        if best is None:
            return ()
        pairs = zip(numbers, weights, strict=True)
        return tuple((self._ids[number], weight) for number, weight in pairs if weight > 0)


def likeness(image_BSC: Tensor, look_RC: Tensor) -> Tensor:
    """Return how alike something in each image is to each reference's object: [B, R]."""
    cosine_BSR = image_BSC.float() @ look_RC.float().T
    return cosine_BSR.topk(min(MATCHING_CELLS, cosine_BSR.shape[1]), dim=1).values.mean(dim=1)


def route(likeness_BR: Tensor, own: Sequence[Tensor], best: Sequence[int | None]) -> Routes:
    """Choose the best of each category's own references, given by number, [R] each; None: all."""
    most = max(len(own_R[:kept]) for own_R, kept in zip(own, best, strict=True))
    chosen, weights = [], []
    for own_R, kept in zip(own, best, strict=True):
        if kept is None:
            chosen_BM = own_R.expand(len(likeness_BR), -1)
            weight_BM = torch.full_like(chosen_BM, 1 / len(own_R), dtype=torch.float32)
        else:
            alike = likeness_BR[:, own_R].sort(dim=1, descending=True, stable=True)
            chosen_BM = own_R[alike.indices[:, :kept]]
            weight_BM = (SHARPNESS * alike.values[:, :kept]).softmax(dim=1)
        lacking_BM = chosen_BM[:, :1].expand(-1, most - chosen_BM.shape[1])
        chosen.append(torch.cat([chosen_BM, lacking_BM], dim=1))
        weights.append(torch.cat([weight_BM, torch.zeros_like(lacking_BM).float()], dim=1))
    return Routes(torch.stack(chosen, dim=1), torch.stack(weights, dim=1))
