"""A target and studied references become masks, in two passes: the second refers to the first.

A first mask has two uses. SAM asked by its box knows where such an object ends; their mean is a
better mask than either. And an object resembles itself more than another photo's: so that mask is
studied as one more reference, on the target itself (self-support, Fan et al., ECCV 2022), and the
target is asked again. Last, the mask's edges become the picture's (model/networks/lite/edges.py).
What each gave on categories never trained on stands in docs/lite.md.

Letters beyond those of model/segmenter.py: P pairs of an image and a category, image by image;
S shots, the references of a pair; h w the fine grid.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional as F

from model.networks.feature_maps import FeatureMaps
from model.networks.lite.edges import along_edges
from model.networks.lite.sam import (
    LiteDropout,
    LitePrompts,
    LiteVrp,
    StudiedLite,
    ask_sam,
    decode_lite,
    neck_of,
)
from model.networks.lite.trunk import GRID, INPUT_PX

SURE = -0.5
"""Logit above which a cell of the first mask is studied: first masks cover too little."""

FEWEST_CELLS = 4
"""A first mask of fewer is widened to its likeliest ones: a reference is never empty."""


BEST = 3
"""References of a pair that its second pass asks by: those of the greatest predicted IoU."""

SHARPNESS = 10.0
"""Of two references the one whose mask promises 0.1 more IoU counts e times as much."""


@dataclass(frozen=True)
class LiteAnswer:
    """Of P pairs: logits [P, 4h, 4w], and the first pass's predicted IoU and presence logit [P].

    signals are numbers [P] by name that tell an object from one that is only asked for: how sure
    either pass is, how well their masks and SAM's by the box agree, and how the pseudo-mask stands
    out, at most and under the mask.
    """

    logits_PHW: Tensor
    score_P: Tensor
    present_P: Tensor
    signals: Mapping[str, Tensor]


def answer_references(
    sam: Sam,
    vrp: LiteVrp,
    target: FeatureMaps,
    studied: StudiedLite,
    shots: int,
) -> LiteAnswer:
    """Ask B images for P = B * K pairs; studied holds P * shots references, pair by pair."""
    embedding_BDhw = neck_of(sam)(on_half_grid(target))
    first = _first_pass(sam, vrp, target, embedding_BDhw, studied, shots)
    boxed_PHW = by_box(sam, embedding_BDhw, first.logits_PHW)
    own_Phw = first_mask_cells(first.logits_PHW, boxed_PHW)
    again = with_own_reference(vrp, target, first.best, own_Phw, first.shots)
    last_PHW, again_P = decode_lite(sam, embedding_BDhw, again)
    coarse_PHW = last_PHW + vrp.offset
    signals = {
        "present_logit": first.present_P,
        "present_again": again.present_P,
        "score_again": again_P,
        "first_and_box": _iou(first.logits_PHW, boxed_PHW),
        "first_and_last": _iou(first.logits_PHW + vrp.offset, coarse_PHW),
        **_standing_out(first.pseudo_Phw, coarse_PHW),
    }
    assert target.pixels_B3HW is not None, "the trunk gives pixels with its maps"
    logits_PHW = along_edges(target.pixels_B3HW, last_PHW) + vrp.offset
    return LiteAnswer(logits_PHW, first.score_P, first.present_P, signals)


@dataclass(frozen=True)
class FirstPass:
    """Of P pairs, what their references say at first, and the best of these: `shots` each."""

    logits_PHW: Tensor
    score_P: Tensor
    present_P: Tensor
    pseudo_Phw: Tensor
    best: StudiedLite
    shots: int


def _first_pass(
    sam: Sam,
    vrp: LiteVrp,
    target: FeatureMaps,
    embedding_BDhw: Tensor,
    studied: StudiedLite,
    shots: int,
) -> FirstPass:
    """Ask by each reference alone: a mask counts by its predicted IoU, a presence as any other.

    Asked together, references that do not fit a target blur those that do.
    """
    alone = vrp.prompt(target, studied, 1)
    logits_RHW, score_R = decode_lite(sam, embedding_BDhw, alone)
    pseudo_Rhw = alone.pseudo_P1hw[:, 0]
    if shots == 1:
        return FirstPass(logits_RHW, score_R, alone.present_P, pseudo_Rhw, studied, 1)
    score_PM = score_R.unflatten(0, (-1, shots))
    weight_PM = torch.softmax(SHARPNESS * score_PM, dim=1)
    kept = min(BEST, shots)
    firsts_P1 = torch.arange(0, len(score_R), shots, device=score_R.device)[:, None]
    best_PM = firsts_P1 + score_PM.topk(kept).indices
    return FirstPass(
        mean_mask(logits_RHW.unflatten(0, (-1, shots)), weight_PM),
        (score_PM * weight_PM).sum(1),
        alone.present_P.unflatten(0, (-1, shots)).mean(1),
        (pseudo_Rhw.unflatten(0, (-1, shots)) * weight_PM[..., None, None]).sum(1),
        studied.chosen(best_PM.flatten()),
        kept,
    )


def mean_mask(logits_PMHW: Tensor, weight_PM: Tensor) -> Tensor:
    """Return the logits [P, H, W] of the weighed mean of M masks' probabilities."""
    return (logits_PMHW.sigmoid() * weight_PM[..., None, None]).sum(1).logit(eps=1e-4)


def on_half_grid(maps: FeatureMaps) -> FeatureMaps:
    """Return maps whose fine grid is half as fine: decoding there costs a quarter."""
    return FeatureMaps(F.avg_pool2d(maps.mid_BChw, 2), maps.high_BChw)


def _iou(one_PHW: Tensor, other_PHW: Tensor) -> Tensor:
    """Return the IoU of masks given as logits, [P]; 0 of two empty ones."""
    one, other = one_PHW > 0, other_PHW > 0
    both_P = (one & other).flatten(1).sum(1)
    return both_P / (one | other).flatten(1).sum(1).clamp(min=1)


def _standing_out(pseudo_Phw: Tensor, logits_PHW: Tensor) -> dict[str, Tensor]:
    h, w = pseudo_Phw.shape[1:]
    share_PS = F.adaptive_avg_pool2d(logits_PHW.sigmoid(), (h, w)).flatten(1)
    pseudo_PS = pseudo_Phw.flatten(1)
    inside_PS = share_PS / share_PS.sum(1, keepdim=True).clamp(min=1e-6)
    outside_PS = (1 - share_PS) / (1 - share_PS).sum(1, keepdim=True).clamp(min=1e-6)
    inside_P = (inside_PS * pseudo_PS).sum(1)
    return {
        "pseudo_peak": pseudo_PS.amax(1),
        "pseudo_inside": inside_P,
        "pseudo_contrast": inside_P - (outside_PS * pseudo_PS).sum(1),
    }


def first_mask_cells(first_PHW: Tensor, boxed_PHW: Tensor) -> Tensor:
    """Return the cells of first masks, averaged with SAM's by their boxes: 0/1 [P, h, w]."""
    return sure_cells((first_PHW + boxed_PHW) / 2)


def with_own_reference(
    vrp: LiteVrp,
    target: FeatureMaps,
    studied: StudiedLite,
    own_Phw: Tensor,
    shots: int,
    dropout: LiteDropout | None = None,
) -> LitePrompts:
    """Prompt P pairs with their references and, one more, what was found on the target itself."""
    own = vrp.study(_of_pairs(target, len(own_Phw)), own_Phw)
    return vrp.prompt(target, _beside(studied, own, shots), shots + 1, dropout)


def by_box(sam: Sam, embedding_BDhw: Tensor, logits_PHW: Tensor) -> Tensor:
    """Return SAM's masks of the boxes of masks, as logits; of an empty mask, itself."""
    mask_PHW = logits_PHW > 0
    side = logits_PHW.shape[-1]
    places = torch.arange(side, device=logits_PHW.device)
    edges = []
    for line_PN in (mask_PHW.any(dim=1), mask_PHW.any(dim=2)):
        edges.append(torch.where(line_PN, places, side).amin(dim=1))
        edges.append(torch.where(line_PN, places, -1).amax(dim=1) + 1)
    left_P, right_P, top_P, bottom_P = edges
    boxes_P4 = torch.stack([left_P, top_P, right_P, bottom_P], dim=1) * (INPUT_PX / side)
    each = len(logits_PHW) // len(embedding_BDhw)
    embedding_PDhw = embedding_BDhw.repeat_interleave(each, dim=0)
    answered_PMHW, _ = ask_sam(sam, embedding_PDhw, None, boxes_P4)
    empty_P11 = ~mask_PHW.flatten(1).any(dim=1)[:, None, None]
    return torch.where(empty_P11, logits_PHW, answered_PMHW[:, 0])


def sure_cells(logits_PHW: Tensor) -> Tensor:
    """Return the cells of the fine grid that masks surely cover: 0/1 [P, h, w], never empty."""
    cells_Phw = F.adaptive_avg_pool2d(logits_PHW, (GRID, GRID))
    likeliest_P = cells_Phw.flatten(1).topk(FEWEST_CELLS).values[:, -1]
    least_P = likeliest_P.clamp(max=SURE)
    return (cells_Phw >= least_P[:, None, None]).to(logits_PHW.dtype)


def _of_pairs(target: FeatureMaps, pairs: int) -> FeatureMaps:
    each = pairs // len(target.mid_BChw)
    return FeatureMaps(
        target.mid_BChw.repeat_interleave(each, dim=0),
        target.high_BChw.repeat_interleave(each, dim=0),
    )


def _beside(studied: StudiedLite, own: StudiedLite, shots: int) -> StudiedLite:
    """Put each pair's own reference behind its others."""
    pairs = len(own.prototype_RD)
    device = own.prototype_RD.device
    theirs_PS = torch.arange(pairs * shots, device=device).unflatten(0, (pairs, shots))
    own_P1 = torch.arange(pairs, device=device)[:, None] + pairs * shots
    return StudiedLite.together([studied, own]).chosen(torch.cat([theirs_PS, own_P1], 1).flatten())
