"""SAM's image encoder without its N x N position bias: the same sums as plain attention.

SAM adds q . Rh(row difference) + q . Rw(column difference) to every score. Those are dot products
too: with q' = [scale * q, q . Rh, q . Rw] and k' = [k, one-hot(row), one-hot(column)], plain
attention over q', k' and v gives the same scores, and a fused kernel never stores them.
"""

from types import MethodType

import torch
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.image_encoder import Attention, get_rel_pos
from torch import Tensor, nn
from torch.nn import functional as F


def use_flat_attention(encoder: ImageEncoderViT) -> None:
    """Replace the forward of an encoder's global attentions by the flat one; its weights stay.

    Scores are sums of the same terms in another order: within 1e-5 in float32. Windows of 14 x 14
    keep segment_anything's own, whose bias is small.
    """
    for block in encoder.blocks:
        assert isinstance(block.attn, nn.Module)
        if block.window_size == 0:
            block.attn.forward = MethodType(_forward, block.attn)


def _forward(attention: Attention, x_BhwC: Tensor) -> Tensor:
    B, h, w, _ = x_BhwC.shape
    qkv = attention.qkv(x_BhwC).view(B, h * w, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    q, k, v = qkv.unbind(0)
    rows_hhC = get_rel_pos(h, h, attention.rel_pos_h)
    columns_wwC = get_rel_pos(w, w, attention.rel_pos_w)
    grid_q = q.unflatten(2, (h, w))
    by_row = torch.einsum("bnhwc,hkc->bnhwk", grid_q, rows_hhC).flatten(2, 3)
    by_column = torch.einsum("bnhwc,wkc->bnhwk", grid_q, columns_wwC).flatten(2, 3)
    row = torch.eye(h, dtype=q.dtype, device=q.device).repeat_interleave(w, dim=0)
    column = torch.eye(w, dtype=q.dtype, device=q.device).repeat(h, 1)
    cell = torch.cat([row, column], dim=-1).expand(*k.shape[:2], -1, -1)
    out = F.scaled_dot_product_attention(
        torch.cat([q * attention.scale, by_row, by_column], dim=-1),
        torch.cat([k, cell], dim=-1),
        v,
        scale=1.0,
    )
    return attention.proj(out.transpose(1, 2).flatten(2).view(B, h, w, -1))
