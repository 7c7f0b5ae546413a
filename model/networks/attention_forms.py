"""Queries, keys, values and position scores become SAM's attention, in one of several forms.

SAM adds q . Rh(row difference) + q . Rw(column difference) to every score. All forms compute the
same sums; they differ in what they keep in memory and in which kernels take them:

    original  segment_anything's: every score of every head in memory at once
    rows      the same operations in the same order, some rows of scores at a time: bit for bit its
              results where a matrix product does not depend on how many rows it has
    bias      PyTorch's fused attention, the position scores as its mask, some rows at a time
    padded    the position scores as dot products too: q' = [scale * q, q . Rh, q . Rw],
              k' = [k, one-hot(row), one-hot(column)], values padded to that width with zeros. No
              mask, one width: what flash attention wants
    flex      PyTorch's flex attention, which a GPU compiles with the scores added inside

Letters: B images or windows, n heads, S cells of the grid, h by w; C channels of a head.
"""

from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple, cast

import torch
import torch.compiler.config as compiler
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention.flex_attention import flex_attention

Form = Literal["original", "rows", "bias", "padded", "flex"]

# 256 rows of a 64 x 64 grid, 4 MB in float32: the fastest of 128, 256 and 512 on a Zen 3.
SCORES_AT_ONCE = 2**20
# Of a mask on a GPU, where larger calls are better: 0.5 GB in bf16.
GPU_SCORES_AT_ONCE = 2**28
MOST_SHAPES = 64


class Inputs(NamedTuple):
    """What one attention reads; by_row and by_column are q . Rh and q . Rw."""

    q_BnSC: Tensor
    k_BnSC: Tensor
    v_BnSC: Tensor
    by_row_BnSh: Tensor
    by_column_BnSw: Tensor
    scale: float


def attend(form: Form, inputs: Inputs) -> Tensor:
    """Return the attention's output [B, n, S, C]."""
    match form:
        case "original":
            return _original(inputs)
        case "rows":
            return _rows(inputs)
        case "bias":
            return _bias(inputs)
        case "padded":
            return _padded(inputs)
        case "flex":
            return _flex(inputs)


def _original(inputs: Inputs) -> Tensor:
    q_BnSC, k_BnSC, v_BnSC, by_row_BnSh, by_column_BnSw, scale = inputs
    scores_BnSS = (q_BnSC * scale) @ k_BnSC.transpose(-2, -1)
    return (scores_BnSS + _positions(by_row_BnSh, by_column_BnSw)).softmax(dim=-1) @ v_BnSC


def _rows(inputs: Inputs) -> Tensor:
    """Take as many heads at once as their scores fit, or of one head as many rows."""
    q_BnSC, k_BnSC, v_BnSC, by_row_BnSh, by_column_BnSw, scale = inputs
    out_BnSC = torch.empty_like(q_BnSC)
    q_NSC, k_NCS, v_NSC = (
        (q_BnSC * scale).flatten(0, 1),
        k_BnSC.flatten(0, 1).transpose(1, 2),
        v_BnSC.flatten(0, 1),
    )
    row_NSh, column_NSw = by_row_BnSh.flatten(0, 1), by_column_BnSw.flatten(0, 1)
    N, S, _ = q_NSC.shape
    heads, rows = max(1, SCORES_AT_ONCE // S**2), min(S, max(1, SCORES_AT_ONCE // S))
    for head in range(0, N, heads):
        n = slice(head, head + heads)
        for first in range(0, S, rows):
            s = slice(first, first + rows)
            scores_nsS = q_NSC[n, s] @ k_NCS[n]
            scores_nshw = scores_nsS.unflatten(2, (row_NSh.shape[2], column_NSw.shape[2]))
            scores_nshw += row_NSh[n, s, :, None]
            scores_nshw += column_NSw[n, s, None, :]
            out_BnSC.flatten(0, 1)[n, s] = scores_nsS.softmax(dim=-1) @ v_NSC[n]
    return out_BnSC


def _bias(inputs: Inputs) -> Tensor:
    q_BnSC, k_BnSC, v_BnSC, by_row_BnSh, by_column_BnSw, scale = inputs
    B, n, S, _ = q_BnSC.shape
    most = SCORES_AT_ONCE if q_BnSC.device.type == "cpu" else GPU_SCORES_AT_ONCE
    images, rows = max(1, most // (n * S**2)), min(S, max(1, most // (n * S)))
    outs = []
    for first in range(0, B, images):
        b = slice(first, first + images)
        parts = [
            F.scaled_dot_product_attention(
                q_BnSC[b, :, s],
                k_BnSC[b],
                v_BnSC[b],
                _positions(by_row_BnSh[b, :, s], by_column_BnSw[b, :, s]),
                scale=scale,
            )
            for s in (slice(row, row + rows) for row in range(0, S, rows))
        ]
        outs.append(parts[0] if len(parts) == 1 else torch.cat(parts, dim=2))
    return outs[0] if len(outs) == 1 else torch.cat(outs)


def _padded(inputs: Inputs) -> Tensor:
    q_BnSC, k_BnSC, v_BnSC, by_row_BnSh, by_column_BnSw, scale = inputs
    B, n, _, C = q_BnSC.shape
    h, w = by_row_BnSh.shape[-1], by_column_BnSw.shape[-1]
    row_Sh = torch.eye(h, dtype=q_BnSC.dtype, device=q_BnSC.device).repeat_interleave(w, dim=0)
    column_Sw = torch.eye(w, dtype=q_BnSC.dtype, device=q_BnSC.device).repeat(h, 1)
    cell_BnSP = torch.cat([row_Sh, column_Sw], dim=1).expand(B, n, -1, -1)
    # Kernels read 16 bytes at once.
    spare = -(C + h + w) % 8
    out_BnSP = F.scaled_dot_product_attention(
        F.pad(torch.cat([q_BnSC * scale, by_row_BnSh, by_column_BnSw], dim=-1), (0, spare)),
        F.pad(torch.cat([k_BnSC, cell_BnSP], dim=-1), (0, spare)),
        F.pad(v_BnSC, (0, h + w + spare)),
        scale=1.0,
    )
    return out_BnSP[..., :C]


def _flex(inputs: Inputs) -> Tensor:
    q_BnSC, k_BnSC, v_BnSC, by_row_BnSh, by_column_BnSw, scale = inputs
    w = by_column_BnSw.shape[-1]

    def with_position(
        score: Tensor, image: Tensor, head: Tensor, query: Tensor, key: Tensor
    ) -> Tensor:
        row = by_row_BnSh[image, head, query, key // w]
        return score + row + by_column_BnSw[image, head, query, key % w]

    attention = _compiled_flex() if q_BnSC.device.type == "cuda" else flex_attention
    return cast(Tensor, attention(q_BnSC, k_BnSC, v_BnSC, with_position, scale=scale))


@cache
def _compiled_flex() -> Callable[..., object]:
    # Each size of a batch is compiled, of windows and of whole images; beyond torch's limit of 8 it
    # would go on without compiling, and keep all scores in memory.
    compiler.recompile_limit = max(compiler.recompile_limit, MOST_SHAPES)
    return torch.compile(flex_attention, dynamic=False)


def _positions(by_row_BnSh: Tensor, by_column_BnSw: Tensor) -> Tensor:
    """Return the position scores of every query and cell: [B, n, S, h * w]."""
    return (by_row_BnSh[..., :, None] + by_column_BnSw[..., None, :]).flatten(-2)
