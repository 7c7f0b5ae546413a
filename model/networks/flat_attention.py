"""SAM's image encoder with its attention computed in a form that its device is fast at.

Weights, their names and the results stay segment_anything's. What changes besides the form: tables
of relative positions are looked up once, when an encoder is frozen, and a window's padding is not
projected (a cell of zeros becomes the bias, whatever the weights).
"""

from dataclasses import dataclass
from functools import partial
from types import MethodType
from typing import cast

import torch
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.image_encoder import (
    Attention,
    Block,
    get_rel_pos,
    window_partition,
    window_unpartition,
)
from torch import Tensor, nn
from torch.nn import functional as F

from model.networks.attention_forms import Form, Inputs, attend


@dataclass(frozen=True)
class Forms:
    """The form of an encoder's global attentions and of its windows'."""

    whole: Form
    window: Form


def use_flat_attention(encoder: ImageEncoderViT) -> None:
    """Replace the forward of an encoder's global attentions by one that can be trained.

    Its position tables are looked up at every step, at the size of the step's grid.
    """
    for block in encoder.blocks:
        if block.window_size == 0:
            assert isinstance(block.attn, nn.Module)
            block.attn.forward = MethodType(_trainable, block.attn)


def use_forms(encoder: ImageEncoderViT, forms: Forms) -> None:
    """Compute a frozen encoder's attentions in these forms, at the image size it was built for.

    "rows" gives segment_anything's results; the others sum the same terms in another order, within
    1e-5 in float32.
    """
    for block in encoder.blocks:
        attention = cast(Attention, block.attn)
        if not hasattr(attention, "rows_hhC"):
            # get_rel_pos builds its index on the CPU, which a GPU would wait for at every call.
            for name, table in (("rows_hhC", "rel_pos_h"), ("columns_wwC", "rel_pos_w")):
                values = getattr(attention, table).detach()
                cells = (len(values) + 1) // 2
                looked_up = get_rel_pos(cells, cells, values)
                attention.register_buffer(name, looked_up, persistent=False)
        form = forms.whole if block.window_size == 0 else forms.window
        block.forward = partial(_block, cast(Block, block), form)


def _block(block: Block, form: Form, x_BhwC: Tensor) -> Tensor:
    """Run `Block.forward`."""
    attention = block.attn
    h, w = x_BhwC.shape[1:3]
    qkv_BhwC = attention.qkv(block.norm1(x_BhwC))
    if block.window_size == 0:
        attended_BhwC = _attend(attention, form, qkv_BhwC)
    else:
        windows, padded_hw = _windows(qkv_BhwC, attention.qkv.bias, block.window_size)
        attended = _attend(attention, form, windows)
        attended_BhwC = window_unpartition(attended, block.window_size, padded_hw, (h, w))
    x_BhwC = x_BhwC + attention.proj(attended_BhwC)
    return x_BhwC + block.mlp(block.norm2(x_BhwC))


def _windows(qkv_BhwC: Tensor, bias_C: Tensor | None, cells: int) -> tuple[Tensor, tuple[int, int]]:
    """Cut into windows; the padding is what zeros are projected to."""
    B, h, w, C = qkv_BhwC.shape
    below, right = -h % cells, -w % cells
    if (below or right) and bias_C is not None:
        padded = bias_C.expand(B, h + below, w + right, C).clone()
        padded[:, :h, :w] = qkv_BhwC
        qkv_BhwC = padded
    return window_partition(qkv_BhwC, cells)


def _attend(attention: Attention, form: Form, qkv_BhwC: Tensor) -> Tensor:
    rows_hhC, columns_wwC = attention.rows_hhC, attention.columns_wwC
    inputs = _inputs(attention, qkv_BhwC, cast(Tensor, rows_hhC), cast(Tensor, columns_wwC))
    out_BnSC = attend(form, inputs)
    return out_BnSC.transpose(1, 2).flatten(2).view(*qkv_BhwC.shape[:3], -1)


def _inputs(
    attention: Attention, qkv_BhwC: Tensor, rows_hhC: Tensor, columns_wwC: Tensor
) -> Inputs:
    B, h, w, _ = qkv_BhwC.shape
    qkv = qkv_BhwC.view(B, h * w, 3, attention.num_heads, -1).permute(2, 0, 3, 1, 4)
    q_BnSC, k_BnSC, v_BnSC = qkv.contiguous().unbind(0)
    q_BnhwC = q_BnSC.unflatten(2, (h, w))
    by_row = torch.einsum("bnhwc,hkc->bnhwk", q_BnhwC, rows_hhC).flatten(2, 3)
    by_column = torch.einsum("bnhwc,wkc->bnhwk", q_BnhwC, columns_wwC).flatten(2, 3)
    return Inputs(q_BnSC, k_BnSC, v_BnSC, by_row, by_column, attention.scale)


def _trainable(attention: Attention, x_BhwC: Tensor) -> Tensor:
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


def use_original(encoder: ImageEncoderViT) -> None:
    """Compute an encoder's attentions as segment_anything does."""
    for block in encoder.blocks:
        for part in (block, block.attn):
            vars(part).pop("forward", None)
