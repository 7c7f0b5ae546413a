"""Episodes and prompts on trunk maps become the losses that train `lite` from nothing.

Neck, prompt encoder, mask decoder and VRP encoder learn together, on a frozen trunk: each target is
embedded once, asked for categories by references, and for parts by points and boxes. Episodes are
decoded on half the fine grid, where labeling decodes them (model/networks/lite/answer.py).

Letters beyond those of model/segmenter.py: P pairs of a target and a category, R references,
M the decoder's masks, T points of a prompt; h w the grid, H W = 4h 4w the logits.
"""

from dataclasses import dataclass, replace

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F

from model.networks.feature_maps import FeatureMaps
from model.networks.lite.answer import (
    by_box,
    first_mask_cells,
    on_half_grid,
    with_own_reference,
)
from model.networks.lite.sam import (
    LiteDropout,
    LitePrompts,
    LiteVrp,
    StudiedLite,
    ask_sam,
    build_lite_sam,
    decode_lite,
    neck_of,
)
from model.networks.lite.trunk import COARSE, INPUT_PX, MIDDLE, LiteTrunk
from model.networks.vrp_encoder import FeatureScales
from model.training.loss import mask_loss

NEGATIVE, POSITIVE, PADDING = 0, 1, -1
"""Labels of points, as SAM's prompt encoder reads them."""

ABSENT_WEIGHT = 0.3
"""Of the mask's loss, where the target lacks the category."""


@dataclass(frozen=True)
class EpisodeBatch:
    """P = B * K pairs of B targets, image by image: M references each, on their maps and masks.

    truth_PHW is empty where the target lacks the category.
    """

    references: FeatureMaps
    mask_Rhw: Tensor
    truth_PHW: Tensor
    shots: int


@dataclass(frozen=True)
class PromptBatch:
    """A prompt of SAM's own for each target: points [B, T, 2] in input pixels, or boxes [B, 4].

    truth is what is asked for, wider what it may also mean: the category whose part it is.
    """

    points_BT2: Tensor | None
    labels_BT: Tensor | None
    boxes_B4: Tensor | None
    truth_BHW: Tensor
    wider_BHW: Tensor


@dataclass(frozen=True)
class LiteBatch:
    """One step: the targets' maps and what is asked of them."""

    targets: FeatureMaps
    episodes: EpisodeBatch
    boxes: PromptBatch
    points: PromptBatch


@dataclass(frozen=True)
class StepForm:
    """What a step does that another does not: SAM's prompts on the full grid; a second pass."""

    full: bool
    second: bool


def _coarsened(prompts: PromptBatch) -> PromptBatch:
    return replace(
        prompts,
        truth_BHW=F.avg_pool2d(prompts.truth_BHW, 2),
        wider_BHW=F.avg_pool2d(prompts.wider_BHW, 2),
    )


class LiteNetworks(nn.Module):
    """What learns: SAM without its trunk, and the VRP encoder."""

    def __init__(self, trunk: LiteTrunk) -> None:
        super().__init__()
        self.sam = build_lite_sam(trunk)
        self.vrp = LiteVrp()

    def learned(self) -> dict[str, Tensor]:
        """Return the state without the trunk's."""
        return {k: v for k, v in self.state_dict().items() if ".trunk." not in k}


def step_losses(
    networks: LiteNetworks, batch: LiteBatch, dropout: LiteDropout | None, form: StepForm
) -> dict[str, Tensor]:
    """Return a batch's losses by name, and IoUs, without gradient, under `iou_` names."""
    neck = neck_of(networks.sam)
    embedding_BDhw = neck(on_half_grid(batch.targets))
    losses = episode_losses(networks, embedding_BDhw, batch, dropout, form.second)
    if not any(parameter.requires_grad for parameter in neck.parameters()):
        return losses  # a SAM that is to stay as it is learns nothing from its own prompts
    boxes, points = batch.boxes, batch.points
    if form.full:
        embedding_BDhw = neck(batch.targets)
    else:
        boxes, points = _coarsened(boxes), _coarsened(points)
    return losses | prompt_losses(networks.sam, embedding_BDhw, boxes, points)


def episode_losses(
    networks: LiteNetworks,
    embedding_BDhw: Tensor,
    batch: LiteBatch,
    dropout: LiteDropout | None,
    second: bool,
) -> dict[str, Tensor]:
    """Losses of masks asked for by references: the mask, the pseudo-mask, IoU and presence.

    With a second pass, also of the mask that the first one's leads to, as when labeling.
    """
    episodes = batch.episodes
    studied = networks.vrp.study(episodes.references, episodes.mask_Rhw, dropout)
    prompts: LitePrompts = networks.vrp.prompt(batch.targets, studied, episodes.shots, dropout)
    logits_PHW, score_P = decode_lite(networks.sam, embedding_BDhw, prompts)
    H, W = logits_PHW.shape[1:]
    truth_PHW = F.adaptive_avg_pool2d(episodes.truth_PHW[:, None], (H, W))[:, 0]
    side = prompts.pseudo_P1hw.shape[-1]
    coarse_Phw = F.adaptive_avg_pool2d(truth_PHW[:, None], side)[:, 0]
    present_P = truth_PHW.flatten(1).any(dim=1)
    # An absent object's mask is worth nothing, whatever it covers: its score is to say so.
    iou_P = _iou(logits_PHW[:, None].detach(), truth_PHW)[:, 0]
    pseudo_iou_P = _iou(prompts.pseudo_P1hw.detach(), coarse_Phw)[:, 0]
    least = present_P.sum().clamp(min=1)
    # Presence has a score of its own; full weight on nothing makes every mask too small.
    weight_P = torch.where(present_P, 1.0, ABSENT_WEIGHT)
    losses = {
        "mask": (_loss(logits_PHW, truth_PHW) * weight_P).mean(),
        "pseudo": 0.4 * _loss(prompts.pseudo_P1hw[:, 0], coarse_Phw).mean(),
        "score": (score_P - iou_P).square().mean(),
        "present": 0.2 * F.binary_cross_entropy_with_logits(prompts.present_P, present_P.float()),
        "iou_mask": (iou_P * present_P).sum() / least,
        "iou_pseudo": (pseudo_iou_P * present_P).sum() / least,
    }
    if second:
        again_PHW = _second_pass(networks, embedding_BDhw, batch, studied, logits_PHW, dropout)
        again_iou_P = _iou(again_PHW[:, None].detach(), truth_PHW)[:, 0]
        losses["again"] = (_loss(again_PHW, truth_PHW) * weight_P).mean()
        losses["iou_again"] = (again_iou_P * present_P).sum() / least
    return losses


def _second_pass(
    networks: LiteNetworks,
    embedding_BDhw: Tensor,
    batch: LiteBatch,
    studied: StudiedLite,
    first_PHW: Tensor,
    dropout: LiteDropout | None,
) -> Tensor:
    """Decode again, the first mask as one more reference: logits [P, H, W]."""
    with torch.no_grad():
        boxed_PHW = by_box(networks.sam, embedding_BDhw, first_PHW)
        own_Phw = first_mask_cells(first_PHW, boxed_PHW)
    again = with_own_reference(
        networks.vrp, batch.targets, studied, own_Phw, batch.episodes.shots, dropout
    )
    return decode_lite(networks.sam, embedding_BDhw, again)[0]


def prompt_losses(
    sam: Sam, embedding_BDhw: Tensor, boxes: PromptBatch, points: PromptBatch
) -> dict[str, Tensor]:
    """Losses of SAM's own prompts; points are followed by a click where the answer was wrong."""
    by_box = answer(sam, embedding_BDhw, boxes, None)
    by_points = answer(sam, embedding_BDhw, points, None)
    clicked = with_click(points, by_points[0][:, 0].detach())
    by_click = answer(sam, embedding_BDhw, clicked, by_points[0][:, :1].detach())
    loss_B = _prompt_loss(*by_box, boxes) + _prompt_loss(*by_points, points)
    return {
        "sam": 0.4 * (loss_B + _prompt_loss(*by_click, points)).mean(),
        "iou_box": _iou(by_box[0][:, :1].detach(), boxes.truth_BHW).mean(),
        "iou_points": _iou(by_points[0][:, :1].detach(), points.truth_BHW).mean(),
        "iou_click": _iou(by_click[0][:, :1].detach(), points.truth_BHW).mean(),
    }


def answer(
    sam: Sam, embedding_BDhw: Tensor, prompts: PromptBatch, logits_B1HW: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Ask SAM: all four masks [B, 4, H, W] and their scores; with logits, as a mask prompt too."""
    points = None
    if prompts.points_BT2 is not None and prompts.labels_BT is not None:
        points = (prompts.points_BT2, prompts.labels_BT)
    return ask_sam(sam, embedding_BDhw, points, prompts.boxes_B4, logits_B1HW)


def with_click(prompts: PromptBatch, logits_BHW: Tensor) -> PromptBatch:
    """Add a point in the middle of the greater error: on the object missed, or off what is not."""
    wrong_BHW = (logits_BHW > 0) != (prompts.truth_BHW > 0.5)
    missed_BHW = wrong_BHW & (prompts.truth_BHW > 0.5)
    # Deep inside an error's region its neighbourhood is wrong too.
    depth_BHW = F.avg_pool2d(wrong_BHW.float()[:, None], 9, stride=1, padding=4)[:, 0]
    best_B = (depth_BHW * wrong_BHW).flatten(1).argmax(dim=1)
    label_B = missed_BHW.flatten(1).gather(1, best_B[:, None])[:, 0].long()
    side = logits_BHW.shape[-1]
    scale_px = INPUT_PX / side
    x_B, y_B = best_B % side + 0.5, best_B // side + 0.5
    point_B12 = torch.stack([x_B, y_B], dim=1)[:, None].float() * scale_px
    points_BT2, labels_BT = prompts.points_BT2, prompts.labels_BT
    if points_BT2 is None or labels_BT is None:
        points_BT2, labels_BT = point_B12, label_B[:, None]
    else:
        points_BT2 = torch.cat([points_BT2, point_B12], dim=1)
        labels_BT = torch.cat([labels_BT, label_B[:, None]], dim=1)
    return PromptBatch(
        points_BT2, labels_BT, prompts.boxes_B4, prompts.truth_BHW, prompts.wider_BHW
    )


def _prompt_loss(logits_BMHW: Tensor, score_BM: Tensor, prompts: PromptBatch) -> Tensor:
    """The single mask learns what is asked; of the other three the best learns each reading."""
    single_B = _loss(logits_BMHW[:, 0], prompts.truth_BHW)
    many = logits_BMHW[:, 1:]
    asked_B = _losses(many, prompts.truth_BHW).amin(dim=1)
    wider_B = _losses(many, prompts.wider_BHW).amin(dim=1)
    iou_BM = _iou(logits_BMHW.detach(), prompts.truth_BHW)
    return single_B + 0.2 * (asked_B + wider_B) + (score_BM - iou_BM).square().mean(dim=1)


def _loss(logits_PHW: Tensor, truth_PHW: Tensor) -> Tensor:
    return mask_loss(logits_PHW, truth_PHW, torch.ones_like(truth_PHW, dtype=torch.bool))


def _losses(logits_PMHW: Tensor, truth_PHW: Tensor) -> Tensor:
    masks = logits_PMHW.shape[1]
    each = _loss(logits_PMHW.flatten(0, 1), truth_PHW.repeat_interleave(masks, dim=0))
    return each.unflatten(0, (-1, masks))


def _iou(logits_PMHW: Tensor, truth_PHW: Tensor) -> Tensor:
    """Return the IoU [P, M] of masks with a truth of 0..1; 0 where that is empty."""
    mask_PMN = (logits_PMHW > 0).flatten(2).float()
    truth_P1N = truth_PHW.flatten(1)[:, None]
    overlap_PM = torch.minimum(mask_PMN, truth_P1N).sum(dim=2)
    return overlap_PM / torch.maximum(mask_PMN, truth_P1N).sum(dim=2).clamp(min=1e-6)


def draw_dropout(
    targets: int, references: int, width: int, rate: float, generator: torch.Generator
) -> LiteDropout:
    """Draw Dropout2d's factors: for the encoder's channels, and at half the rate the metric's."""
    deep = MIDDLE + COARSE

    def factors(rows: int, channels: int, dropped: float) -> Tensor:
        drawn = torch.rand(rows, channels, generator=generator, device=generator.device)
        return (drawn >= dropped).float() / (1 - dropped)

    return LiteDropout(
        FeatureScales(factors(targets, width, rate), factors(references, width, rate)),
        factors(targets, deep, rate / 2),
        factors(references, deep, rate / 2),
    )
