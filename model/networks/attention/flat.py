"""SAM's image encoder with its attention computed in a form that its device is fast at.

Weights, their names and the results stay segment_anything's. What changes besides the form: tables
of relative positions are looked up once, when an encoder is frozen, and a window's padding is not
projected (a cell of zeros becomes the bias, whatever the weights).
"""

from dataclasses import dataclass
from functools import cache, partial
from types import MethodType
from typing import NamedTuple, cast

import torch
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.image_encoder import (
    Attention,
    Block,
    MLPBlock,
    PatchEmbed,
    get_rel_pos,
    window_partition,
    window_unpartition,
)
from torch import Tensor, library, nn
from torch.nn import functional as F

from model.networks.attention.forms import FORM_FAULTS, CutForm, Form, Inputs, attend


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


class Projected(NamedTuple):
    """Queries, keys and values [B, h, w, 3 * n * C] of images' cells, and what positions add.

    Cells attend within squares of window cells, beyond the image to the projection of zeros, bias;
    window 0: within the image. tables are of relative positions [2 * s - 1, C], of rows and of
    columns; looked_up are the same for every query and key [s, s, C].
    """

    qkv_BhwC: Tensor
    bias_C: Tensor | None
    tables: tuple[Tensor, Tensor]
    looked_up: tuple[Tensor, Tensor]
    heads: int
    window: int


def use_forms(encoder: ImageEncoderViT, forms: Forms) -> None:
    """Compute a frozen encoder's attentions in these forms, at the image size it was built for.

    "rows" gives segment_anything's results; the others sum the same terms in another order, within
    1e-5 in float32.
    """
    for block in encoder.blocks:
        attention = cast(Attention, block.attn)
        if not hasattr(attention, "rows_hhC"):
            tables = attention.rel_pos_h.detach(), attention.rel_pos_w.detach()
            for name, values in zip(("rows_hhC", "columns_wwC"), look_up(tables), strict=True):
                attention.register_buffer(name, values, persistent=False)
        form = forms.whole if block.window_size == 0 else forms.window
        gelu = _products_give_gelu(str(attention.qkv.weight.device), attention.qkv.weight.dtype)
        block.forward = partial(_block, cast(Block, block), form, gelu)


def use_fast_patches(encoder: ImageEncoderViT) -> None:
    """Let a frozen encoder cut patches out and project them by a matrix product.

    A convolution whose windows do not overlap is one, and has no fast kernel on a GPU.
    """
    embed = encoder.patch_embed
    if type(embed) is PatchEmbed:
        embed.forward = MethodType(_patches, embed)


def _patches(embed: PatchEmbed, images_B3HW: Tensor) -> Tensor:
    """Run `PatchEmbed.forward`: [B, h, w, C]."""
    projection = embed.proj
    side_y, side_x = projection.kernel_size
    B, _, H, W = images_B3HW.shape
    grid = images_B3HW.reshape(B, -1, H // side_y, side_y, W // side_x, side_x)
    patches_Bhwp = grid.permute(0, 2, 4, 1, 3, 5).flatten(3)
    return F.linear(patches_Bhwp, projection.weight.flatten(1), projection.bias)


def look_up(tables: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return tables of relative positions for every query and key: [s, s, C] each.

    `get_rel_pos` builds its index on the CPU, which a GPU would wait for at every call.
    """
    by_row, by_column = tables
    side = (len(by_row) + 1) // 2
    return get_rel_pos(side, side, by_row), get_rel_pos(side, side, by_column)


def attend_grid(form: Form, given: Projected) -> Tensor:
    """Return the attention's output [B, h, w, n * C]."""
    h, w = given.qkv_BhwC.shape[1:3]
    if form == "tiles":
        # Triton comes with torch's builds for GPUs alone.
        from model.networks.attention.tiles import tiled_attention  # noqa: PLC0415

        return tiled_attention(given.qkv_BhwC, given.bias_C, *given.tables, given.heads)
    if given.window == 0:
        return _attend_apart(form, given, given.qkv_BhwC)
    windows, padded_hw = _windows(given.qkv_BhwC, given.bias_C, given.window)
    attended = _attend_apart(form, given, windows)
    return window_unpartition(attended, given.window, padded_hw, (h, w))


def _block(block: Block, form: Form, gelu: bool, x_BhwC: Tensor) -> Tensor:
    """Run `Block.forward`; gelu: a matrix product takes GELU into it."""
    if x_BhwC.dtype != torch.float32:
        # Patches come with their channels apart, and sums would keep them so in every block. (The
        # neck's sums in float32 are segment_anything's in this layout alone.)
        x_BhwC = x_BhwC.contiguous()
    attention = block.attn
    tables = attention.rel_pos_h, attention.rel_pos_w
    looked_up = cast(Tensor, attention.rows_hhC), cast(Tensor, attention.columns_wwC)
    qkv_BhwC = attention.qkv(block.norm1(x_BhwC))
    given = Projected(
        qkv_BhwC, attention.qkv.bias, tables, looked_up, attention.num_heads, block.window_size
    )
    x_BhwC = x_BhwC + attention.proj(attend_grid(form, given))
    mlp, x2_BhwC = cast(MLPBlock, block.mlp), block.norm2(x_BhwC)
    if not gelu:
        return x_BhwC + mlp(x2_BhwC)
    return x_BhwC + mlp.lin2(_linear_gelu(x2_BhwC, mlp.lin1.weight, mlp.lin1.bias))


@library.custom_op("vrp::linear_gelu", mutates_args=())
def _linear_gelu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return GELU of a linear layer, [..., C]; neither library's own product has a public name.

    A compiler would take the two apart.
    """
    if x.is_cuda:
        rows = torch.ops.aten._addmm_activation(bias, x.flatten(0, -2), weight.T, use_gelu=True)
        return rows.view(*x.shape[:-1], -1)
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "gelu", [], "none")


@_linear_gelu.register_fake
def _gelu_shape(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    del bias
    return x.new_empty(*x.shape[:-1], len(weight))


@cache
def _products_give_gelu(device: str, dtype: torch.dtype) -> bool:
    """Whether the device and PyTorch have that product in 16 bits, with the right result."""
    if dtype == torch.float32:
        return False
    x = torch.linspace(-4, 4, 16 * 16, device=device).view(16, 16)
    eye, zeros = torch.eye(16, device=device), torch.zeros(16, device=device)
    try:
        given = _linear_gelu(x.to(dtype), eye.to(dtype), zeros.to(dtype))
    except torch.AcceleratorError:
        raise  # the device is broken, whatever runs next
    except FORM_FAULTS:
        return False
    return bool((given.float() - F.gelu(x)).abs().max() < 0.02)


def _windows(qkv_BhwC: Tensor, bias_C: Tensor | None, cells: int) -> tuple[Tensor, tuple[int, int]]:
    """Cut into windows; the padding is what zeros are projected to."""
    B, h, w, C = qkv_BhwC.shape
    below, right = -h % cells, -w % cells
    if (below or right) and bias_C is not None:
        padded = bias_C.expand(B, h + below, w + right, C).clone()
        padded[:, :h, :w] = qkv_BhwC
        qkv_BhwC = padded
    return window_partition(qkv_BhwC, cells)


def _attend_apart(form: CutForm, given: Projected, qkv_BhwC: Tensor) -> Tensor:
    """Attend within each of B squares."""
    B, h, w, _ = qkv_BhwC.shape
    rows_hhC, columns_wwC = given.looked_up
    qkv = qkv_BhwC.view(B, h * w, 3, given.heads, -1).permute(2, 0, 3, 1, 4)
    q_BnSC, k_BnSC, v_BnSC = qkv.contiguous().unbind(0)
    q_BnhwC = q_BnSC.unflatten(2, (h, w))
    by_row = torch.einsum("bnhwc,hkc->bnhwk", q_BnhwC, rows_hhC).flatten(2, 3)
    by_column = torch.einsum("bnhwc,wkc->bnhwk", q_BnhwC, columns_wwC).flatten(2, 3)
    scale = q_BnSC.shape[-1] ** -0.5
    out_BnSC = attend(form, Inputs(q_BnSC, k_BnSC, v_BnSC, by_row, by_column, scale))
    return out_BnSC.transpose(1, 2).flatten(2).view(B, h, w, -1)


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
