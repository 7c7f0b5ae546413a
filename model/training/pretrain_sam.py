"""Prompts drawn from true masks become the losses that train a small SAM from nothing.

segment_anything publishes no training code; this follows its paper's section 3 and appendix A in
outline: points and boxes, several output masks of which the best learns, predicted IoU by squared
error. Whole categories are targets too, since that is what VRP prompts ask of the decoder.

Letters beyond those of model/segmenter.py: P prompts over all images, T tokens, M output masks,
S cells of the image embedding.
"""

from dataclasses import dataclass

import torch
from segment_anything.modeling import ImageEncoderViT, Sam
from torch import Tensor
from torch.nn import functional as F

from model.training.loss import mask_loss

NEGATIVE, POSITIVE, CORNERS = 0, 1, (2, 3)
"""SAM's labels of a point; a box is two points with the labels of its corners."""


@dataclass(frozen=True)
class Window:
    """The part of the grid that a training step looks at: square, in cells of the embedding.

    Everything keeps its position in the whole image, so that a step on a part of the tokens
    teaches the same network at a fraction of the cost.
    """

    top: int
    left: int
    cells: int

    def crop(self, maps: Tensor, per_cell: int = 1) -> Tensor:
        """Cut [..., h, w] of a resolution of `per_cell` pixels a cell."""
        rows = slice(self.top * per_cell, (self.top + self.cells) * per_cell)
        columns = slice(self.left * per_cell, (self.left + self.cells) * per_cell)
        return maps[..., rows, columns]


@dataclass(frozen=True)
class PromptBatch:
    """P prompts of equal length, and the masks they ask for.

    points_PT2 is (x, y) in input pixels, labels_PT as above; image_P is each prompt's image.
    truth_Phw and wider_Phw are 0..1 at the resolution of SAM's logits: what the prompt asks for,
    and what it may also mean (its whole category).
    """

    points_PT2: Tensor
    labels_PT: Tensor
    image_P: Tensor
    truth_Phw: Tensor
    wider_Phw: Tensor
    is_points: bool

    def to(self, device: torch.device) -> "PromptBatch":
        """Return the prompts on a device."""
        return PromptBatch(
            self.points_PT2.to(device),
            self.labels_PT.to(device),
            self.image_P.to(device),
            self.truth_Phw.to(device),
            self.wider_Phw.to(device),
            self.is_points,
        )


def encode(encoder: ImageEncoderViT, images_B3HW: Tensor, window: Window) -> Tensor:
    """Run the image encoder on the window's part of its grid: [B, D, cells, cells]."""
    x_BhwC = encoder.patch_embed(images_B3HW)
    assert encoder.pos_embed is not None
    position_1Chw = window.crop(encoder.pos_embed.permute(0, 3, 1, 2))
    x_BhwC = x_BhwC + position_1Chw.permute(0, 2, 3, 1)
    for block in encoder.blocks:
        x_BhwC = block(x_BhwC)
    return encoder.neck(x_BhwC.permute(0, 3, 1, 2))


def embed_prompts(sam: Sam, prompts: PromptBatch) -> Tensor:
    """Return the sparse prompt embeddings that `PromptEncoder` would: [P, T, D]."""
    encoder = sam.prompt_encoder
    tokens_PTD = encoder.pe_layer.forward_with_coords(
        prompts.points_PT2 + 0.5, encoder.input_image_size
    )
    kinds_4D = torch.cat([e.get_parameter("weight") for e in encoder.point_embeddings])
    tokens_PTD = tokens_PTD + kinds_4D[prompts.labels_PT]
    if not prompts.is_points:
        return tokens_PTD
    padding_P1D = encoder.not_a_point_embed.weight.expand(len(tokens_PTD), 1, -1)
    return torch.cat([tokens_PTD, padding_P1D], dim=1)


def decode_all(
    sam: Sam, embedding_PDhw: Tensor, position_1Dhw: Tensor, tokens_PTD: Tensor
) -> tuple[Tensor, Tensor]:
    """Return all of the decoder's masks and scores: logits [P, M, 4h, 4w], scores [P, M]."""
    decoder = sam.mask_decoder
    outputs_TD = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens_PTD = torch.cat([outputs_TD.expand(len(tokens_PTD), -1, -1), tokens_PTD], dim=1)
    h, w = embedding_PDhw.shape[-2:]
    embedding_PDhw = embedding_PDhw + sam.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1)
    position_PDhw = position_1Dhw.expand(len(tokens_PTD), -1, -1, -1)
    tokens_PTD, cells_PSD = decoder.transformer(embedding_PDhw, position_PDhw, tokens_PTD)
    upscaled_PDhw = decoder.output_upscaling(cells_PSD.transpose(1, 2).unflatten(2, (h, w)))
    kernels_PMD = torch.stack(
        [mlp(tokens_PTD[:, 1 + k]) for k, mlp in enumerate(decoder.output_hypernetworks_mlps)],
        dim=1,
    )
    logits_PMhw = (kernels_PMD @ upscaled_PDhw.flatten(2)).unflatten(2, (4 * h, 4 * w))
    return logits_PMhw, decoder.iou_prediction_head(tokens_PTD[:, 0])


def prompt_loss(logits_PMhw: Tensor, score_PM: Tensor, prompts: PromptBatch) -> Tensor:
    """Return each prompt's loss, [P]: the single mask, the best of three, the predicted IoU.

    The single mask learns what the prompt asks for. The other three share that and the wider
    reading out among themselves: each reading teaches the mask that is nearest to it.
    """
    single_P = _loss(logits_PMhw[:, :1], prompts.truth_Phw)[:, 0]
    asked_P = _loss(logits_PMhw[:, 1:], prompts.truth_Phw).amin(dim=1)
    wider_P = _loss(logits_PMhw[:, 1:], prompts.wider_Phw).amin(dim=1)
    true_iou_PM = soft_iou(logits_PMhw.detach(), prompts.truth_Phw)
    score_loss_P = (score_PM - true_iou_PM).square().mean(dim=1)
    return single_P + 0.25 * (asked_P + wider_P) + score_loss_P


def soft_iou(logits_PMhw: Tensor, truth_Phw: Tensor) -> Tensor:
    """Return the IoU [P, M] of each mask, thresholded at 0, with an area-averaged truth.

    An empty mask of an absent object has IoU 1: that is what a confident "nothing" is worth.
    """
    mask_PMN = (logits_PMhw > 0).flatten(2).float()
    truth_P1N = truth_Phw.flatten(1)[:, None]
    overlap_PM = torch.minimum(mask_PMN, truth_P1N).sum(dim=2)
    union_PM = torch.maximum(mask_PMN, truth_P1N).sum(dim=2)
    return torch.where(union_PM > 0, overlap_PM / union_PM.clamp(min=1e-6), 1.0)


def _loss(logits_PMhw: Tensor, truth_Phw: Tensor) -> Tensor:
    P, M = logits_PMhw.shape[:2]
    truth_Qhw = truth_Phw.repeat_interleave(M, dim=0)
    return mask_loss(
        logits_PMhw.flatten(0, 1), truth_Qhw, torch.ones_like(truth_Qhw, dtype=torch.bool)
    ).view(P, M)


def shrink(masks_PHW: Tensor, factor: int) -> Tensor:
    """Average masks over blocks of factor x factor pixels: float [P, H / factor, W / factor]."""
    return F.avg_pool2d(masks_PHW.float()[:, None], factor)[:, 0]
