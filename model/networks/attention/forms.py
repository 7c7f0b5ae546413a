"""Queries, keys, values and position scores become SAM's attention, in one of several forms.

SAM adds q . Rh(row difference) + q . Rw(column difference) to every score. All forms compute the
same sums; they differ in what they keep in memory and in which kernels take them:

    original  segment_anything's: every score of every head in memory at once
    rows      some rows of scores at a time; in float32 by the same operations in the same order:
              bit for bit its results where a matrix product does not depend on how many rows it has
    bias      PyTorch's fused attention, the position scores as its mask, some rows at a time
    padded    the position scores as dot products too: q' = [scale * q, q . Rh, q . Rw],
              k' = [k, one-hot(row), one-hot(column)], values padded to that width with zeros. No
              mask, one width: what flash attention wants
    tiles     a kernel of ours that reads windows where they lie: model/networks/attention/tiles.py

Letters: B images or windows, n heads, S cells of the grid, h by w; C channels of a head.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

CutForm = Literal["original", "rows", "bias", "padded"]
"""Forms that are given queries, keys and values of each window apart."""
Form = Literal["original", "rows", "bias", "padded", "tiles"]

# 256 rows of a 64 x 64 grid, 4 MB in float32: the fastest of 128, 256 and 512 on a Zen 3.
SCORES_AT_ONCE = 2**20
# Of a mask on a GPU, where larger calls are better: 0.5 GB in bf16.
GPU_SCORES_AT_ONCE = 2**28
# Numbers of 16 bits that a CPU adds at once.
VECTOR = 32
# No kernel, no memory, no compiler; and what compilers raise besides, of a form they do not take.
FORM_FAULTS = (RuntimeError, TypeError, ValueError, AssertionError, AttributeError, ImportError)


class Inputs(NamedTuple):
    """What one attention reads; by_row and by_column are q . Rh and q . Rw."""

    q_BnSC: Tensor
    k_BnSC: Tensor
    v_BnSC: Tensor
    by_row_BnSh: Tensor
    by_column_BnSw: Tensor
    scale: float


def attend(form: CutForm, inputs: Inputs) -> Tensor:
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
    scores_of = _scores_in_order
    if q_NSC.dtype != torch.float32:
        scores_of, k_NCS = _scores, k_NCS.contiguous()  # else copied for every few rows
    row_NSh, column_NSw = by_row_BnSh.flatten(0, 1), by_column_BnSw.flatten(0, 1)
    N, S, _ = q_NSC.shape
    heads, rows = max(1, SCORES_AT_ONCE // S**2), min(S, max(1, SCORES_AT_ONCE // S))
    for head in range(0, N, heads):
        n = slice(head, head + heads)
        for first in range(0, S, rows):
            s = slice(first, first + rows)
            scores_nsS = scores_of(q_NSC[n, s], k_NCS[n], row_NSh[n, s], column_NSw[n, s])
            out_BnSC.flatten(0, 1)[n, s] = scores_nsS.softmax(dim=-1) @ v_NSC[n]
    return out_BnSC


def _scores_in_order(q_nsC: Tensor, k_nCS: Tensor, row_nsh: Tensor, column_nsw: Tensor) -> Tensor:
    scores_nsS = q_nsC @ k_nCS
    scores_nshw = scores_nsS.unflatten(2, (row_nsh.shape[2], column_nsw.shape[2]))
    scores_nshw += row_nsh[..., None]
    scores_nshw += column_nsw[..., None, :]
    return scores_nsS


def _scores(q_nsC: Tensor, k_nCS: Tensor, row_nsh: Tensor, column_nsw: Tensor) -> Tensor:
    if column_nsw.shape[2] >= VECTOR:
        scores_nsS = _positions(row_nsh, column_nsw)
    else:
        # Sums over so few numbers side by side are slower than a product with one-hots.
        cell_Sp = _one_hot(row_nsh, column_nsw)
        scores_nsS = torch.cat([row_nsh, column_nsw], dim=2) @ cell_Sp.T
    return scores_nsS.baddbmm_(q_nsC, k_nCS)


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
    cell_BnSP = _one_hot(by_row_BnSh, by_column_BnSw).expand(B, n, -1, -1)
    # Kernels read 16 bytes at once.
    spare = -(C + h + w) % 8
    out_BnSP = F.scaled_dot_product_attention(
        F.pad(torch.cat([q_BnSC * scale, by_row_BnSh, by_column_BnSw], dim=-1), (0, spare)),
        F.pad(torch.cat([k_BnSC, cell_BnSP], dim=-1), (0, spare)),
        F.pad(v_BnSC, (0, h + w + spare)),
        scale=1.0,
    )
    return out_BnSP[..., :C]


def _one_hot(by_row: Tensor, by_column: Tensor) -> Tensor:
    """Return which row and which column every cell has: [S, h + w], as [..., h] and [..., w]."""
    h, w = by_row.shape[-1], by_column.shape[-1]
    row_Sh = torch.eye(h, dtype=by_row.dtype, device=by_row.device).repeat_interleave(w, dim=0)
    column_Sw = torch.eye(w, dtype=by_row.dtype, device=by_row.device).repeat(h, 1)
    return torch.cat([row_Sh, column_Sw], dim=1)


def _positions(by_row_BnSh: Tensor, by_column_BnSw: Tensor) -> Tensor:
    """Return the position scores of every query and cell: [B, n, S, h * w]."""
    return (by_row_BnSh[..., :, None] + by_column_BnSw[..., None, :]).flatten(-2)
