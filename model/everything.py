"""SAM asked at points all over an image finds the parts of whatever is in it.

As segment_anything's SamAutomaticMaskGenerator does, for the price that a CPU can pay: all points
are asked on half of the grid, a quarter of the work, and what that finds once more on the whole, by
its point and its box.

Letters beyond those of model/segmenter.py: N points, M masks (three of a point).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model.checkpoints.load import Loader
from model.masks.letterbox import LOGITS_STRIDE, letterbox_maps
from model.methods.prompted_sam import PromptedSam, Prompts
from model.networks.device import Precision
from model.networks.mask_decoder import decode_pairs
from schemas.job.networks import Sam

SIDE = 6
"""Points a side: 36 in all."""

MOST = 10
"""Parts of an image."""

SURE = 0.85
"""Least predicted IoU and least stability of what is kept."""

AT_FIRST = 0.05
"""So much less is asked of what is looked at again."""

SHARES = (0.003, 0.6)
"""Of the image: smaller is noise, larger is background."""

ALIKE = 0.7
"""IoU of two masks above which the less sure one is dropped."""


@dataclass(frozen=True)
class Part:
    """A mask, bool [H, W], and its predicted IoU."""

    mask_HW: np.ndarray
    score: float


class Everything:
    """Holds a SAM; weights are a local path or `random[:SEED]`. Raises BadWeights."""

    def __init__(self, sam: Sam, device: str, precision: Precision, sure: float = SURE) -> None:
        self._sure = sure
        self._sam = PromptedSam(Loader(device, precision).sam(sam), "letterbox")
        half = self._sam.grid // 2
        with torch.inference_mode():
            position_Dhw = self._sam.sam.prompt_encoder.pe_layer((half, half))
        self._half_position_1Dhw = position_Dhw[None].to(self._sam.device, self._sam.dtype)

    @torch.inference_mode()
    def parts(self, image_HW3: np.ndarray, seed: int) -> list[Part]:
        """Return the parts of a uint8 RGB image, the surest first; seed moves the points a bit."""
        size_HW: tuple[int, int] = image_HW3.shape[:2]
        embedding_1Dhw = self._sam.embed([image_HW3])
        at_N2 = self._points(size_HW, seed)
        found_Mhw, score_M = self._at_first(embedding_1Dhw, at_N2)
        h, w = (-(-side // (2 * LOGITS_STRIDE)) for side in self._sam.content_hw(size_HW))
        found_Mhw = found_Mhw[:, :h, :w]
        kept = best_masks(found_Mhw, score_M, self._sure - AT_FIRST)[:MOST]
        if not kept:
            return []
        again = Prompts(
            at_N2[[m // 3 for m in kept], None],
            torch.ones(len(kept), 1, dtype=torch.int, device=self._sam.device),
            _boxes(found_Mhw[kept]) * (2 * LOGITS_STRIDE),
        )
        logits_NMhw, score_NM = self._sam.masks(embedding_1Dhw, [0] * len(kept), again)
        logits_NHW = letterbox_maps(logits_NMhw[:, 0], size_HW)
        chosen = best_masks(logits_NHW, score_NM[:, 0], self._sure)
        return [Part((logits_NHW[n] > 0).cpu().numpy(), float(score_NM[n, 0])) for n in chosen]

    def _points(self, size_HW: tuple[int, int], seed: int) -> Tensor:
        """Return the points of a grid, each moved within its cell, in pixels of SAM's input."""
        lines = (np.arange(SIDE) + 0.5) / SIDE
        grid_N2 = np.stack(np.meshgrid(lines, lines), axis=-1).reshape(-1, 2)
        grid_N2 += np.random.default_rng(seed).uniform(-0.3, 0.3, grid_N2.shape) / SIDE
        height, width = self._sam.content_hw(size_HW)
        return torch.from_numpy(grid_N2 * [width, height]).float().to(self._sam.device)

    def _at_first(self, embedding_1Dhw: Tensor, at_N2: Tensor) -> tuple[Tensor, Tensor]:
        """Ask at each point on half the grid: logits of three masks a point, and their scores."""
        sam = self._sam.sam
        on_N1 = torch.ones(len(at_N2), 1, dtype=torch.int, device=at_N2.device)
        sparse_NTD, dense_NDhw = sam.prompt_encoder((at_N2[:, None], on_N1), None, None)
        half_1Dhw = F.avg_pool2d(embedding_1Dhw + dense_NDhw[:1].to(embedding_1Dhw.dtype), 2)
        logits_NMhw, score_NM = decode_pairs(
            sam.mask_decoder, half_1Dhw, self._half_position_1Dhw, sparse_NTD.to(half_1Dhw.dtype)
        )
        return logits_NMhw[:, 1:].float().flatten(0, 1), score_NM[:, 1:].float().flatten()


def best_masks(logits_MHW: Tensor, score_M: Tensor, least: float) -> list[int]:
    """Return the masks that are sure, stable, of a fitting size, and not alike; surest first.

    A mask is stable that hardly changes with its threshold (Kirillov et al. 2023, appendix B).
    """
    inside_MS = logits_MHW.flatten(1)
    stable_M = (inside_MS > 1).sum(1) / (inside_MS > -1).sum(1).clamp(min=1)
    mask_MS = (inside_MS > 0).float()
    share_M = mask_MS.mean(1)
    fits_M = (score_M > least) & (stable_M > least)
    fits_M &= (share_M > SHARES[0]) & (share_M < SHARES[1])
    kept: list[int] = []
    for m in torch.where(fits_M, score_M * stable_M, -1.0).argsort(descending=True).tolist():
        if not fits_M[m]:
            break
        both_K = (mask_MS[kept] * mask_MS[m]).sum(1)
        either_K = mask_MS[kept].sum(1) + mask_MS[m].sum() - both_K
        if not (both_K / either_K > ALIKE).any():
            kept.append(m)
    return kept


def _boxes(logits_Mhw: Tensor) -> Tensor:
    """Return the boxes of masks that are not empty, in their own pixels: [M, 4]."""
    boxes = []
    for mask_hw in logits_Mhw > 0:
        ys, xs = mask_hw.any(1).nonzero()[:, 0], mask_hw.any(0).nonzero()[:, 0]
        boxes.append(torch.stack([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1]))
    return torch.stack(boxes).float()
