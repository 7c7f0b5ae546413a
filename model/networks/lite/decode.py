"""SAM's decoder asked on any grid: by references, and by points, boxes and masks.

Letters as in model/networks/lite/vrp.py.
"""

import torch
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional as F

from model.networks.lite.vrp import LitePrompts
from model.networks.mask_decoder import decode_pairs

CELLS_PER_CALL = 2**18
"""Of the pairs' embeddings: at width 256 a call holds about 1.3 GB."""


def decode_lite(sam: Sam, embedding_BDhw: Tensor, prompts: LitePrompts) -> tuple[Tensor, Tensor]:
    """Decode P pairs of B images, image by image: logits [P, 4h, 4w] and predicted IoU [P]."""
    each = len(prompts.tokens_PND) // len(embedding_BDhw)
    no_mask_1D11 = sam.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1)
    embedding_PDhw = embedding_BDhw.repeat_interleave(each, dim=0)
    dense_PDhw = F.interpolate(
        prompts.dense_PDhw, embedding_PDhw.shape[-2:], mode="bilinear", align_corners=False
    )
    logits_PMhw, score_PM = _decode(
        sam, embedding_PDhw + no_mask_1D11 + dense_PDhw, prompts.tokens_PND
    )
    return logits_PMhw[:, 0], score_PM[:, 0]


def ask_sam(
    sam: Sam,
    embedding_PDhw: Tensor,
    points: tuple[Tensor, Tensor] | None,
    boxes_P4: Tensor | None,
    logits_P1HW: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Ask SAM on any grid: logits [P, M, 4h, 4w] and scores [P, M].

    It is asked by points with their labels, boxes, and masks so far.
    """
    encoder = sam.prompt_encoder
    sparse_PTD, _ = encoder(points=points, boxes=boxes_P4, masks=None)
    # The dense half by hand: the prompt encoder knows one grid only.
    if logits_P1HW is None:
        dense_PDhw = encoder.no_mask_embed.weight.view(1, -1, 1, 1)
    else:
        dense_PDhw = encoder.mask_downscaling(logits_P1HW)
    return _decode(sam, embedding_PDhw + dense_PDhw, sparse_PTD)


def _decode(sam: Sam, embedding_PDhw: Tensor, prompts_PTD: Tensor) -> tuple[Tensor, Tensor]:
    """Decode in the decoder's precision; answer in float32."""
    dtype = sam.mask_decoder.iou_token.weight.dtype
    # The position encoding of the embedding's grid, whatever its size.
    position_1Dhw = sam.prompt_encoder.pe_layer(embedding_PDhw.shape[-2:])[None].to(dtype)
    pairs = max(1, CELLS_PER_CALL // embedding_PDhw[0, 0].numel())
    made = [
        decode_pairs(sam.mask_decoder, embedding.to(dtype), position_1Dhw, prompts.to(dtype))
        for embedding, prompts in zip(
            embedding_PDhw.split(pairs), prompts_PTD.split(pairs), strict=True
        )
    ]
    logits, scores = zip(*made, strict=True)
    return torch.cat(logits).float(), torch.cat(scores).float()
