"""SAM's attention on a GPU as a Triton kernel: of whole images, or of windows where they lie.

Scores are never written to memory, and nothing is cut out, padded or moved: queries, keys and
values are read from the projection [B, H, W, 3 * n * C] and the result is written as [B, H, W, n *
C]. A first kernel multiplies every query with the tables of relative positions; the second is flash
attention (Dao 2023) whose tiles of keys are whole rows of cells, so that what a position adds to a
score is a number of its row and one of its column.

Letters: B images, n heads, H by W cells of an image, s the side of the square that attends within
itself (a window's, or the image's), C channels of a head.
"""

# Kernels take their arguments one by one, and what is bound depends on what is compiled.
# ruff: noqa: PLR0913, PLR0917
# pyright: reportPossiblyUnboundVariable=false, reportCallIssue=false

import triton
import triton.language as tl
from torch import Tensor, library
from triton.errors import TritonError

LOG2_E = tl.constexpr(1.4426950408889634)
# The least side of a matrix product.
LEAST_SIDE = 16
# Of a tile. A whole image's rows have as many cells as it has keys.
QUERIES, KEYS = 128, 64


@triton.jit
def _position_kernel(
    qkv,
    table_y,
    table_x,
    by_row,
    by_column,
    H,
    W,
    heads,
    S: tl.constexpr,
    C: tl.constexpr,
    CELLS: tl.constexpr,
    LINES: tl.constexpr,
):
    """Write q . Ry to by_row [B n, s, H W] and q . Rx to by_column [B n, H W, s]."""
    X = tl.program_id(0) * CELLS + tl.arange(0, CELLS)
    Y, bn = tl.program_id(1), tl.program_id(2)
    b, n = bn // heads, bn % heads
    inside = (X < W)[:, None]
    cell = ((b * H + Y) * W + X).to(tl.int64)
    q = qkv + (cell * 3 * heads + n)[:, None] * C
    line = tl.arange(0, LINES)
    of_line = line[None, :] * C
    known = (line < 2 * S - 1)[None, :]
    c = tl.arange(0, C)
    q = tl.load(q + c[None, :], mask=inside, other=0.0)
    by_y = tl.dot(q, tl.load(table_y + of_line + c[:, None], mask=known, other=0.0))
    by_x = tl.dot(q, tl.load(table_x + of_line + c[:, None], mask=known, other=0.0))
    # Line l of a table is of the key s - 1 - l cells further on than the query.
    key_y = (Y % S + S - 1 - line)[None, :]
    key_x = (X % S)[:, None] + (S - 1 - line)[None, :]
    place = (Y * W + X)[:, None]
    head = bn.to(tl.int64) * S * H * W
    asked = inside & (key_y >= 0) & (key_y < S)
    tl.store(by_row + head + key_y * H * W + place, by_y, mask=asked)
    asked = inside & (key_x >= 0) & (key_x < S)
    tl.store(by_column + head + place * S + key_x, by_x, mask=asked)


@triton.jit
def _positions_of_window(row, column, asked, cells, S: tl.constexpr, COLUMNS: tl.constexpr):
    """Read what every query's rows, then its columns, add: [queries, 2 * COLUMNS]."""
    r = tl.arange(0, 2 * COLUMNS)[None, :]
    of_rows = tl.load(row + r * cells, mask=asked & (r < S), other=0.0)
    is_column = (r >= COLUMNS) & (r < COLUMNS + S)
    return of_rows + tl.load(column + r - COLUMNS, mask=asked & is_column, other=0.0)


@triton.jit
def _add_positions(scores, positions, key_y, key_x, S: tl.constexpr, COLUMNS: tl.constexpr):
    """Add to keys what their row and their column add: a product with which of them a key has."""
    line = tl.arange(0, 2 * COLUMNS)[:, None]
    has = (line == key_y[None, :]) | (line == COLUMNS + key_x[None, :])
    scores = tl.dot(positions, has.to(positions.dtype), scores)
    there = (key_y < S) & (key_x < S)
    return tl.where(there[None, :], scores, float("-inf"))


@triton.jit
def _take_in(scores, values, most, total, sums):
    """Add a tile of keys to a softmax: its greatest score, its sum, and its sum of values."""
    scores *= LOG2_E
    more = tl.maximum(most, tl.max(scores, 1))
    weights = tl.exp2(scores - more[:, None])
    kept = tl.exp2(most - more)
    total = total * kept + tl.sum(weights, 1)
    return more, total, tl.dot(weights.to(values.dtype), values, sums * kept[:, None])


@triton.jit
def _image_kernel(qkv, by_row, by_column, out, heads, scale, S: tl.constexpr, C: tl.constexpr):
    """Write what a row of an image's queries finds in one head, a row of keys at a time."""
    y, bn = tl.program_id(0), tl.program_id(1)
    b, n = bn // heads, bn % heads
    x, c = tl.arange(0, S), tl.arange(0, C)
    place = (y * S + x)[:, None]
    cell = (b * S * S + place).to(tl.int64)
    q = tl.load(qkv + (cell * 3 * heads + n) * C + c[None, :])
    q = (q.to(tl.float32) * scale).to(q.dtype)
    row = by_row + bn.to(tl.int64) * S * S * S + place
    column = by_column + (bn.to(tl.int64) * S * S + place) * S
    of_column = tl.load(column + x[None, :]).to(tl.float32)

    most = tl.full([S], float("-inf"), tl.float32)
    total = tl.zeros([S], tl.float32)
    sums = tl.zeros([S, C], tl.float32)
    for key_y in range(S):
        key_cell = (b * S * S + key_y * S + x).to(tl.int64)
        k = qkv + ((key_cell * 3 + 1) * heads + n) * C
        scores = tl.dot(q, tl.load(k[None, :] + c[:, None]))
        scores += of_column + tl.load(row + key_y * S * S).to(tl.float32)
        values = tl.load((k + heads * C)[:, None] + c[None, :])
        most, total, sums = _take_in(scores, values, most, total, sums)
    tl.store(out + (cell * heads + n) * C + c[None, :], sums / total[:, None])


@triton.jit
def _window_kernel(
    qkv,
    bias,
    by_row,
    by_column,
    out,
    H,
    W,
    heads,
    scale,
    S: tl.constexpr,
    COLUMNS: tl.constexpr,
    QUERY_ROWS: tl.constexpr,
    KEY_ROWS: tl.constexpr,
    C: tl.constexpr,
):
    """Write what some rows of a window's queries find in one head; rows are of COLUMNS >= s."""
    window, bn = tl.program_id(1), tl.program_id(2)
    b, n = bn // heads, bn % heads
    top, left = window // tl.cdiv(W, S) * S, window % tl.cdiv(W, S) * S
    m, j, c = tl.arange(0, QUERY_ROWS * COLUMNS), tl.arange(0, KEY_ROWS * COLUMNS), tl.arange(0, C)
    y, x = tl.program_id(0) * QUERY_ROWS + m // COLUMNS, m % COLUMNS
    asked = ((y < S) & (x < S) & (top + y < H) & (left + x < W))[:, None]
    place = ((top + y) * W + left + x)[:, None]
    cell = (b * H * W + place).to(tl.int64)
    q = tl.load(qkv + (cell * 3 * heads + n) * C + c[None, :], mask=asked, other=0.0)
    q = (q.to(tl.float32) * scale).to(q.dtype)
    row = by_row + bn.to(tl.int64) * S * H * W + place
    column = by_column + (bn.to(tl.int64) * H * W + place) * S
    positions = _positions_of_window(row, column, asked, H * W, S, COLUMNS)

    most = tl.full([QUERY_ROWS * COLUMNS], float("-inf"), tl.float32)
    total = tl.zeros([QUERY_ROWS * COLUMNS], tl.float32)
    sums = tl.zeros([QUERY_ROWS * COLUMNS, C], tl.float32)
    for first in range(0, S, KEY_ROWS):
        key_y, key_x = first + j // COLUMNS, j % COLUMNS
        # Beyond the image are zeros, whose projection is the bias.
        real = (key_y < S) & (key_x < S) & (top + key_y < H) & (left + key_x < W)
        key_cell = ((b * H + top + key_y) * W + left + key_x).to(tl.int64)
        k = qkv + ((key_cell * 3 + 1) * heads + n) * C
        v = tl.where(real, k + heads * C, bias + (2 * heads + n) * C)
        k = tl.where(real, k, bias + (heads + n) * C)
        scores = tl.dot(q, tl.load(k[None, :] + c[:, None]))
        scores = _add_positions(scores, positions, key_y, key_x, S, COLUMNS)
        values = tl.load(v[:, None] + c[None, :])
        most, total, sums = _take_in(scores, values, most, total, sums)
    tl.store(out + (cell * heads + n) * C + c[None, :], sums / total[:, None], mask=asked)


@library.custom_op("vrp::tiled_attention", mutates_args=())
def tiled_attention(
    qkv_BHWc: Tensor, bias_c: Tensor | None, table_y: Tensor, table_x: Tensor, heads: int
) -> Tensor:
    """Return the attention [B, H, W, n * C] of projected cells [B, H, W, 3 * n * C].

    The tables are of relative positions [2 * s - 1, C]. bias_c is what zeros are projected to, None
    for zeros. Raises ValueError for what the kernel does not take: 32 bits on a GPU, heads whose
    width is no power of 2 of 16 or more; RuntimeError where this GPU cannot run it.
    """
    try:
        return _tiled(qkv_BHWc, bias_c, table_y, table_x, heads)
    except TritonError as error:
        raise RuntimeError("the kernel of tiles cannot run here") from error


@tiled_attention.register_fake
def _shape(
    qkv_BHWc: Tensor, bias_c: Tensor | None, table_y: Tensor, table_x: Tensor, heads: int
) -> Tensor:
    del bias_c, table_y, table_x, heads
    B, H, W, channels = qkv_BHWc.shape
    return qkv_BHWc.new_empty(B, H, W, channels // 3)


def _tiled(
    qkv_BHWc: Tensor,
    bias_c: Tensor | None,
    table_y: Tensor,
    table_x: Tensor,
    heads: int,
) -> Tensor:
    B, H, W, channels = qkv_BHWc.shape
    C, side = channels // 3 // heads, (len(table_y) + 1) // 2
    if C < LEAST_SIDE or C & (C - 1):
        raise ValueError(f"heads of {C} channels, which no tile has")
    if qkv_BHWc.is_cuda and qkv_BHWc.element_size() != 2:
        raise ValueError(f"tiles are of 16-bit numbers, not {qkv_BHWc.dtype}")
    bias_c = qkv_BHWc.new_zeros(channels) if bias_c is None else bias_c
    qkv_BHWc = qkv_BHWc.contiguous()
    by_row = qkv_BHWc.new_empty(B * heads, side, H * W)
    by_column = qkv_BHWc.new_empty(B * heads, H * W, side)
    cells = min(64, _power(W))
    lines = _power(2 * side - 1)
    _position_kernel[(triton.cdiv(W, cells), H, B * heads)](
        qkv_BHWc, table_y, table_x, by_row, by_column, H, W, heads,
        S=side, C=C, CELLS=cells, LINES=lines,
        num_warps=8 if lines > 64 else 4,
    )  # fmt: skip
    out = qkv_BHWc.new_empty(B, H, W, channels // 3)
    columns = _power(side)
    # Tiles and warps are those that were fastest on an H200.
    if side == columns == H == W and side >= KEYS:
        _image_kernel[(side, B * heads)](
            qkv_BHWc, by_row, by_column, out, heads, C**-0.5, S=side, C=C, num_warps=4, num_stages=3
        )
        return out
    query_rows, key_rows = max(1, QUERIES // columns), max(1, KEYS // columns)
    windows = triton.cdiv(H, side) * triton.cdiv(W, side)
    _window_kernel[(triton.cdiv(side, query_rows), windows, B * heads)](
        qkv_BHWc, bias_c, by_row, by_column, out, H, W, heads, C**-0.5,
        S=side, COLUMNS=columns, QUERY_ROWS=query_rows, KEY_ROWS=key_rows, C=C,
        num_warps=8, num_stages=3,
    )  # fmt: skip
    return out


def _power(cells: int) -> int:
    return max(LEAST_SIDE, triton.next_power_of_2(cells))
