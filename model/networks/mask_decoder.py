"""Prompt tokens of many images and categories become mask logits in one call of SAM's decoder.

segment_anything's `MaskDecoder` takes one image a call and prompts of equal length. This runs its
weights over B images x K categories, with padding where categories have fewer prompt tokens.

Letters beyond those of model/segmenter.py: P pairs of image and category, T output and prompt
tokens, D width, S cells of the image embedding.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from segment_anything.modeling import MaskDecoder
from segment_anything.modeling.common import LayerNorm2d
from segment_anything.modeling.transformer import (
    Attention,
    TwoWayAttentionBlock,
    TwoWayTransformer,
)
from torch import Tensor, nn
from torch.nn import functional as F

from model.networks.compiled import Compiled

PAIRS_PER_CALL = 64
"""At most, and as many as a GPU has BYTES_PER_CALL for."""

BYTES_PER_CALL = 5 * 2**29
"""PAIRS_PER_CALL of 50 tokens in fp32. A pair of 64 x 64 cells, width 256, takes 12 MB in bf16 with
50 tokens, 38 MB in fp32, and 89 MB in fp32 with 250 (peaks measured on a CPU, 2026-11-28)."""

MAPS_PER_PAIR, SCORES_PER_PAIR = 6, 2
"""What those peaks are made of: so many times the cells; and in fp32, where no kernel fuses them,
all heads' weights between tokens and cells."""

PAIR_BYTES_ON_CPU = 8
"""How many pairs a call takes there, times the bytes of a number: two in fp32, four in bf16. The C
library maps every tensor of more than 32 MB anew, page by page."""


@dataclass(frozen=True)
class Guidance:
    """What PerSAM adds to the decoder: where the object may be, and what it looks like.

    attention_PS is added to the tokens' attention over the image's cells, which is then normalised
    again (target-guided attention); target_PD to every token (target-semantic prompting).
    """

    attention_PS: Tensor
    target_PD: Tensor

    def chosen(self, pairs: slice) -> "Guidance":
        """Return the guidance of some of the pairs."""
        return Guidance(self.attention_PS[pairs], self.target_PD[pairs])


def decode(
    decoder: MaskDecoder,
    embedding_BDhw: Tensor,
    position_1Dhw: Tensor,
    prompts_BKND: Tensor,
    padding_KN: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Decode every image with every category's prompts: logits [B, K, 4h, 4w], scores [B, K].

    embedding_BDhw already includes SAM's dense prompt. padding_KN is True at tokens to ignore; a
    category's result is that of the same category decoded without padding. The mask is SAM's single
    output (`multimask_output=False`).
    """
    B, K = prompts_BKND.shape[:2]
    most = _pairs_per_call(decoder, embedding_BDhw, prompts_BKND)
    images, pairs = max(1, most // K), min(K, most)
    logits, scores = [], []
    for first in range(0, B, images):
        b = slice(first, first + images)
        for k in (slice(start, start + pairs) for start in range(0, K, pairs)):
            prompts_bkND = prompts_BKND[b, k]
            logits_PMhw, score_PM = _decode_images(
                decoder,
                embedding_BDhw[b],
                position_1Dhw,
                prompts_bkND.flatten(0, 1),
                None if padding_KN is None else padding_KN[k].repeat(len(prompts_bkND), 1),
            )
            logits.append(logits_PMhw[:, 0])
            scores.append(score_PM[:, 0])
    return torch.cat(logits).unflatten(0, (B, K)), torch.cat(scores).unflatten(0, (B, K))


def decode_pairs(
    decoder: MaskDecoder,
    embedding_BDhw: Tensor,
    position_1Dhw: Tensor,
    prompts_PND: Tensor,
    padding_PN: Tensor | None = None,
    guidance: Guidance | None = None,
) -> tuple[Tensor, Tensor]:
    """Decode pairs of an image and prompts: all four masks [P, 4, 4h, 4w] and scores [P, 4].

    Mask 0 is SAM's single output, 1 to 3 are its multimask outputs. embedding_BDhw already
    includes SAM's dense prompt; P / B pairs, one after the other, are about an image.
    """
    P, (_, D, h, w) = len(prompts_PND), embedding_BDhw.shape
    cells_BSD = embedding_BDhw.flatten(2).transpose(1, 2)
    position_1SD = position_1Dhw.flatten(2).transpose(1, 2)
    if _fused(cells_BSD):
        cells_BSD, position_1SD = cells_BSD.contiguous(), position_1SD.contiguous()
    elif len(cells_BSD) < P:
        cells_BSD = cells_BSD.repeat_interleave(P // len(cells_BSD), dim=0)
    outputs_TD = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens_PTD = torch.cat([outputs_TD.expand(P, -1, -1), prompts_PND], dim=1)
    ignored_PT = None if padding_PN is None else F.pad(padding_PN, (len(outputs_TD), 0))
    tokens_PTD, cells_PSD = _two_way(
        cast(TwoWayTransformer, decoder.transformer),
        cells_BSD,
        position_1SD,
        tokens_PTD,
        ignored_PT,
        guidance,
    )
    # Token 0 predicts the scores, 1 the single mask, 2 to 4 the multimask outputs. All four are
    # made whichever is kept, as in segment_anything: a product of one row sums in another order.
    kernels = [mlp(tokens_PTD[:, 1 + n]) for n, mlp in enumerate(decoder.output_hypernetworks_mlps)]
    kernels_PMD = torch.stack(kernels, dim=1)
    if _fused(cells_PSD):
        logits_PMhw = _masks(decoder.output_upscaling, cells_PSD, kernels_PMD, (h, w))
    else:
        cells_PDhw = cells_PSD.transpose(1, 2).reshape(P, D, h, w)
        masks_PMS = kernels_PMD @ decoder.output_upscaling(cells_PDhw).flatten(2)
        logits_PMhw = masks_PMS.unflatten(2, (4 * h, 4 * w))
    return logits_PMhw, decoder.iou_prediction_head(tokens_PTD[:, 0])


_decode_images = Compiled(decode_pairs)


def _pairs_per_call(decoder: MaskDecoder, embedding_BDhw: Tensor, prompts_BKND: Tensor) -> int:
    size = prompts_BKND.element_size()
    if embedding_BDhw.device.type == "cpu":
        return PAIR_BYTES_ON_CPU // size
    cells = embedding_BDhw.shape[2] * embedding_BDhw.shape[3]
    numbers = MAPS_PER_PAIR * cells * embedding_BDhw.shape[1]
    if not _fused(embedding_BDhw):
        tokens = 1 + decoder.num_mask_tokens + prompts_BKND.shape[2]
        heads = cast(TwoWayTransformer, decoder.transformer).num_heads
        numbers += SCORES_PER_PAIR * heads * tokens * cells
    return max(1, min(PAIRS_PER_CALL, BYTES_PER_CALL // (numbers * size)))


def _masks(
    upscaling: nn.Sequential, cells_PSD: Tensor, kernels_PMD: Tensor, grid_hw: tuple[int, int]
) -> Tensor:
    """Return masks' logits [P, M, 4h, 4w], as `output_upscaling` and the kernels make them.

    Its two convolutions make 2 x 2 cells of one, none of which another reads: matrix products of
    cells, whose channels stay side by side. Only what is made of them in the end is put in place.
    """
    first, norm, _, second, _ = upscaling
    x_PSD = F.gelu(_four_of_each(cells_PSD, cast(nn.ConvTranspose2d, first), norm))
    x_PSD = F.gelu(_four_of_each(x_PSD, cast(nn.ConvTranspose2d, second)))
    masks_PSM = x_PSD @ kernels_PMD.transpose(1, 2)
    h, w = grid_hw
    # A cell's four, of which each has four: [P, h, w, y, x, y, x, M].
    parts = masks_PSM.unflatten(1, (h, w, 2, 2, 2, 2)).permute(0, 7, 1, 3, 5, 2, 4, 6)
    return parts.reshape(len(masks_PSM), -1, 4 * h, 4 * w)


def _four_of_each(
    cells_PSD: Tensor, convolution: nn.ConvTranspose2d, norm: nn.Module | None = None
) -> Tensor:
    """Make 2 x 2 cells of each, in this order after it: [P, 4 S, D]; of stride 2, 2 x 2 wide."""
    weight = convolution.weight.permute(2, 3, 1, 0).flatten(0, 2)
    assert convolution.bias is not None, "segment_anything's has one"
    x_PSD = F.linear(cells_PSD, weight, convolution.bias.repeat(4))
    x_PSD = x_PSD.unflatten(2, (4, -1)).flatten(1, 2)
    if norm is None:
        return x_PSD
    norm = cast(LayerNorm2d, norm)
    return F.layer_norm(x_PSD, norm.weight.shape, norm.weight, norm.bias, norm.eps)


def _fused(x: Tensor) -> bool:
    """Whether sums may be in another order than segment_anything's: see `attend`."""
    return x.dtype != torch.float32 or torch.is_grad_enabled()


def _two_way(
    transformer: TwoWayTransformer,
    cells_BSD: Tensor,
    position_1SD: Tensor,
    tokens_PTD: Tensor,
    ignored_PT: Tensor | None,
    guidance: Guidance | None,
) -> tuple[Tensor, Tensor]:
    """Run `TwoWayTransformer.forward` with ignored tokens: never a key, whatever their values.

    Until the first block has changed them, the cells are an image's and not a pair's.
    """
    added_PS = None if guidance is None else guidance.attention_PS
    target_P1D = None if guidance is None else guidance.target_PD[:, None]
    if target_P1D is not None:
        # PerSAM's public code adds in place, so the target stays in the tokens that every layer
        # adds again as their position.
        tokens_PTD = tokens_PTD + target_P1D
    queries, keys = tokens_PTD, cells_BSD
    for number, block in enumerate(cast(Iterable[TwoWayAttentionBlock], transformer.layers)):
        if target_P1D is not None and number > 0:
            queries = queries + target_P1D
        if block.skip_first_layer_pe:
            queries = attend(block.self_attn, queries, queries, queries, ignored_PT)
        else:
            q = queries + tokens_PTD
            queries = queries + attend(block.self_attn, q, q, queries, ignored_PT)
        queries = block.norm1(queries)

        q, k = queries + tokens_PTD, keys + position_1SD
        queries = queries + attend(block.cross_attn_token_to_image, q, k, keys, added_PS=added_PS)
        queries = block.norm2(queries)
        queries = block.norm3(queries + block.mlp(queries))

        q = queries + tokens_PTD
        found = attend(block.cross_attn_image_to_token, k, q, queries, ignored_PT)
        keys = (keys[:, None] + found.unflatten(0, (len(keys), -1))).flatten(0, 1)
        keys = block.norm4(keys)

    q, k = queries + tokens_PTD, keys + position_1SD
    if target_P1D is not None:
        q = q + target_P1D
    queries = queries + attend(transformer.final_attn_token_to_image, q, k, keys)
    return transformer.norm_final_attn(queries), keys


def attend(
    attention: Attention,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    ignored_PT: Tensor | None = None,
    added_PS: Tensor | None = None,
) -> Tensor:
    """Run one of the decoder's attentions, leaving out the keys where ignored_PT is True.

    added_PS is added to the weights of the keys, which a second softmax then makes weights again.

    In fp32 the operations are those of segment_anything's `Attention`, one by one, so that masks
    are its masks bit for bit; in bf16, and where gradients are wanted, they are fused.
    Where there are more q than k, or more k than q, as many of these one after the other share one
    of those.
    """
    q, k, v = attention.q_proj(q), attention.k_proj(k), attention.v_proj(v)
    P, each = len(q), max(1, len(q) // len(k))
    # All that ask the same keys do so at once; keys that are asked alike repeat the questions.
    q = q.unflatten(0, (-1, each)).flatten(1, 2)
    if len(k) > P:
        q = q.repeat_interleave(len(k) // P, dim=0)
    q, k, v = (_heads(x, attention.num_heads) for x in (q, k, v))
    ignored = None if ignored_PT is None else ignored_PT[:, None, None, :]
    if added_PS is not None or not _fused(q):
        scores = _scaled_scores(q, k)
        if ignored is not None:
            scores = scores.masked_fill(ignored, -torch.inf)
        weights = torch.softmax(scores, dim=-1)
        if added_PS is not None:
            weights = torch.softmax(weights + added_PS[:, None, None, :], dim=-1)
        out = weights @ v
    else:
        out = F.scaled_dot_product_attention(q, k, v, None if ignored is None else ~ignored)
    out = out.transpose(1, 2).flatten(2).unflatten(1, (each, -1)).flatten(0, 1)
    return attention.out_proj(out)


def _scaled_scores(q: Tensor, k: Tensor) -> Tensor:
    """Return q @ k^T / sqrt(C): a power of 2 divides the smaller factor, for the same bits."""
    scale = math.sqrt(q.shape[-1])
    if math.frexp(scale)[0] != 0.5:
        return q @ k.transpose(-2, -1) / scale
    q, k = (q / scale, k) if q.numel() < k.numel() else (q, k / scale)
    return q @ k.transpose(-2, -1)


def _heads(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(2, (heads, -1)).transpose(1, 2)
