"""Masks and the features they were found by become signals of whether the object is there at all.

Of each mask and its category's references, on the grid that the method compares: how like the
object what lies under the mask is, how much more than what is beside it, than what lies around the
object in the references, and than the job's other categories.
Letters beyond those of model/segmenter.py: R references of a category, F cells of their objects, G
cells around these, S cells of an image.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model.methods.features import FeatureEncoder
from model.methods.kinds import LoadKinds, content_of
from model.networks.backbone import backbone_maps
from model.networks.pseudo_mask import unit_cells
from model.segmenter import (
    MANY_REFERENCES,
    LoadedReference,
    Prediction,
    StudyOptions,
    by_category,
)

# Of a category, both of objects and of what is around them: one image's products stay below
# 2 GFLOP at 512 channels, however many references there are.
MOST_CELLS = 512


@dataclass(frozen=True)
class Known:
    """What is kept of a category's references: some cells of length 1, evenly chosen, and looks."""

    category_id: int
    object_FC: Tensor
    around_GC: Tensor
    looks_RC: Tensor


Gather = Callable[
    [Tensor, Sequence[np.ndarray], list[tuple[Prediction, ...]]],
    list[tuple[Prediction, ...]],
]
"""Features compared of a batch [B, C, h, w], its images and what was predicted of them, to that."""


def gather_evidence(
    options: StudyOptions,
    encoder: FeatureEncoder,
    references: Sequence[LoadedReference],
    load_kinds: LoadKinds | None = None,
) -> Gather:
    """Return what adds signals to predictions; nothing is added unless the options ask for it.

    Those of kinds are added where their networks are given.
    """
    if not options.evidence:
        return lambda _compared, _images, predictions: predictions
    evidence = Evidence(encoder, references)
    if load_kinds is None:
        return evidence.add
    networks = load_kinds()
    signals = networks.study(references)

    @torch.inference_mode()
    def add(
        compared_BChw: Tensor,
        images: Sequence[np.ndarray],
        predictions: list[tuple[Prediction, ...]],
    ) -> list[tuple[Prediction, ...]]:
        found = evidence.add(compared_BChw, images, predictions)
        if encoder.compares(networks.trunk):
            high_BChw = compared_BChw.float()
        else:
            high_BChw = backbone_maps(networks.trunk, images).high_BChw
        return signals.add(high_BChw, images, found)

    return add


class Evidence:
    """Adds to `Prediction.signals` of what a method predicts from an encoder's features."""

    @torch.no_grad()
    def __init__(self, encoder: FeatureEncoder, references: Sequence[LoadedReference]) -> None:
        self._letterboxed = encoder.letterboxed
        self._known = {
            category_id: _know(encoder, category_id, own)
            for category_id, own in by_category(references).items()
        }

    @torch.no_grad()
    def add(
        self,
        compared_BChw: Tensor,
        images: Sequence[np.ndarray],
        predictions: list[tuple[Prediction, ...]],
    ) -> list[tuple[Prediction, ...]]:
        """Return the predictions of B images, uint8 RGB, with their signals."""
        grid_hw = (compared_BChw.shape[-2], compared_BChw.shape[-1])
        return [
            self._of_image(unit_SC, grid_hw, (image.shape[0], image.shape[1]), found)
            for unit_SC, image, found in zip(
                unit_cells(compared_BChw.float()), images, predictions, strict=True
            )
        ]

    def _of_image(
        self,
        unit_SC: Tensor,
        grid_hw: tuple[int, int],
        size_HW: tuple[int, int],
        found: tuple[Prediction, ...],
    ) -> tuple[Prediction, ...]:
        alike = {
            one.category_id: unit_SC @ self._known[one.category_id].object_FC.T for one in found
        }
        nearest = [alike[one.category_id].amax(dim=1) for one in found]
        shares = [self._share(one, grid_hw, size_HW).flatten() for one in found]
        share_KS = torch.stack(shares).to(unit_SC.device)
        made = []
        for place, one in enumerate(found):
            others = [*nearest[:place], *nearest[place + 1 :]]
            rival_S = torch.stack(others).amax(dim=0) if others else nearest[place]
            known = self._known[one.category_id]
            made.append(
                mask_signals(unit_SC, share_KS[place], alike[one.category_id], rival_S, known)
            )
        # A device is waited for once an image.
        told = torch.stack([torch.stack(list(signals.values())) for signals in made]).cpu().tolist()
        return tuple(
            replace(
                one,
                signals={
                    **(one.signals or {}),
                    **dict(zip(made[0], own, strict=True)),
                    **self._beside(one, found),
                },
            )
            for one, own in zip(found, told, strict=True)
        )

    def _beside(self, one: Prediction, found: tuple[Prediction, ...]) -> dict[str, float]:
        """Return what hangs on no mask: how many references there are, and whether rivals are."""
        references = min(len(self._known[one.category_id].looks_RC), MANY_REFERENCES)
        return {"references": math.log(references), "alone": float(len(found) == 1)}

    def _share(
        self, prediction: Prediction, grid_hw: tuple[int, int], size_HW: tuple[int, int]
    ) -> Tensor:
        """Return the mask's probability in each cell of the compared grid, [h, w]."""
        if self._letterboxed:
            logits_hw = torch.from_numpy(prediction.logits_hw)
        else:
            logits_hw = content_of(prediction, size_HW)
        return F.adaptive_avg_pool2d(logits_hw[None].float().sigmoid(), grid_hw)[0]


def look(foreground_FC: Sequence[Tensor]) -> Tensor:
    """Return what an object looks like, [C]: the mean of its references, each weighing the same.

    foreground_FC are unit cells, one tensor per reference.
    """
    return torch.stack([F.normalize(cells.mean(dim=0), dim=0) for cells in foreground_FC]).mean(0)


def presence(high_BChw: Tensor, logits_BKhw: Tensor, looks_KC: Tensor) -> Tensor:
    """Return [B, K]: the cosine of each mask's mean cell and its category's look.

    A cell counts by the mask's probability in it; maps and logits cover the same square.
    """
    h, w = high_BChw.shape[-2:]
    share_BKhw = F.adaptive_avg_pool2d(logits_BKhw.float().sigmoid(), (h, w))
    maps_BCS = high_BChw.float().flatten(2)
    # A cell of length 1 is the cell, over its length: weights are divided, not 2,048 channels.
    length_BS = maps_BCS.square().sum(dim=1).sqrt().clamp(min=1e-12)
    found_BKC = (share_BKhw.flatten(2) / length_BS[:, None]) @ maps_BCS.transpose(1, 2)
    return F.cosine_similarity(found_BKC, looks_KC.float(), dim=2)


def _know(
    encoder: FeatureEncoder, category_id: int, references: Sequence[LoadedReference]
) -> Known:
    most = max(1, MOST_CELLS // len(references))
    objects, around, looks = [], [], []
    for reference in references:
        cells_SC = unit_cells(encoder.compare(reference.image_HW3).float())[0]
        object_S = encoder.object_cells(reference).flatten()
        looks.append(look([cells_SC[object_S]]))
        objects.append(_evenly(cells_SC[object_S], most))
        around.append(_evenly(cells_SC[~object_S], most))
    return Known(category_id, torch.cat(objects), torch.cat(around), torch.stack(looks))


def _evenly(cells_SC: Tensor, most: int) -> Tensor:
    if len(cells_SC) <= most:
        return cells_SC
    chosen = np.linspace(0, len(cells_SC) - 1, most).round().astype(int)
    return cells_SC[torch.from_numpy(chosen).to(cells_SC.device)]


def mask_signals(
    unit_SC: Tensor, share_S: Tensor, alike_SF: Tensor, rival_S: Tensor, known: Known
) -> dict[str, Tensor]:
    """Return the signals of one mask, each of no dimension; share_S is its probability in cells."""
    object_S = alike_SF.amax(dim=1)
    # References that show nothing else say nothing of what else there is: a lead of 0.
    around_S = (unit_SC @ known.around_GC.T).amax(dim=1) if len(known.around_GC) else object_S
    inside_S = share_S / share_S.sum().clamp(min=1e-6)
    outside_S = (1 - share_S) / (1 - share_S).sum().clamp(min=1e-6)
    cosine_R = F.cosine_similarity((inside_S @ unit_SC)[None], known.looks_RC, dim=1)
    lit_S = share_S >= share_S.max().clamp(max=0.5)
    back_F = alike_SF.masked_fill(~lit_S[:, None], -2).amax(dim=0)
    # Where all is lit: -1, the least there is.
    elsewhere_F = alike_SF.masked_fill(lit_S[:, None], -1).amax(dim=0)
    return {
        "likeness": cosine_R.mean(),
        "agreement": cosine_R.min(),
        "peak": object_S.masked_fill(~lit_S, -2).max(),
        "contrast": inside_S @ object_S - outside_S @ object_S,
        "lead": inside_S @ (object_S - around_S),
        "reverse": (back_F - elsewhere_F).mean(),
        "rivalry": inside_S @ (object_S - rival_S),
    }
