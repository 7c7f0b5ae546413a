"""SAM's attention on a GPU as a Triton kernel: of whole images, or of windows where they lie.

Scores are never written to memory, and nothing is cut out, padded or moved: queries, keys and
values are read from the projection [B, H, W, 3 * n * C] and the result is written as [B, H, W, n *
C]. Flash attention (Dao 2023) whose tiles of keys are whole rows of cells, so that what a position
adds to a score is a number of the key's row and one of its column; what every query adds for them
is a product with the tables of relative positions, made by the program that asks.

Letters: B images, n heads, H by W cells of an image, s the side of the square that attends within
itself (a window's, or the image's), C channels of a head. Tiles have sides of powers of 2, so that
channels come in two parts where they must: 80 are 64 and 16.
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
# Of a tile: queries, and keys. A whole image's rows have as many cells.
CELLS = 64


@triton.jit
def _read(cells, there, FIRST: tl.constexpr, SECOND: tl.constexpr):
    """Return the channels of cells, [cells, FIRST] and [cells, SECOND]; zeros where none is."""
    c = tl.arange(0, FIRST)[None, :]
    if there is None:
        first = tl.load(cells[:, None] + c)
    else:
        first = tl.load(cells[:, None] + c, mask=there[:, None], other=0.0)
    second = first
    if SECOND:
        c = FIRST + tl.arange(0, SECOND)[None, :]
        if there is None:
            second = tl.load(cells[:, None] + c)
        else:
            second = tl.load(cells[:, None] + c, mask=there[:, None], other=0.0)
    return first, second


@triton.jit
def _product(a, a2, b, b2, SECOND: tl.constexpr):
    """Multiply every row of one with every row of the other: [rows, rows]."""
    sums = tl.dot(a, tl.trans(b))
    return tl.dot(a2, tl.trans(b2), sums) if SECOND else sums


@triton.jit
def _take_in(scores, of_row, v, v2, most, total, sums, sums2, SECOND: tl.constexpr):
    """Add a tile of keys to a softmax: its greatest score, its sum, and its sums of values.

    Scores are exponents of 2; of_row is added to all of a query's.
    """
    more = tl.maximum(most, tl.max(scores, 1) + of_row)
    weights = tl.exp2(scores - (more - of_row)[:, None])
    kept = tl.exp2(most - more)
    total = total * kept + tl.sum(weights, 1)
    weights = weights.to(v.dtype)
    sums = tl.dot(weights, v, sums * kept[:, None])
    if SECOND:
        sums2 = tl.dot(weights, v2, sums2 * kept[:, None])
    return more, total, sums, sums2


@triton.jit
def _nothing_yet(QUERIES: tl.constexpr, FIRST: tl.constexpr, SECOND: tl.constexpr):
    """Return what a softmax begins with: see `_take_in`."""
    total = tl.zeros([QUERIES], tl.float32)
    sums = tl.zeros([QUERIES, FIRST], tl.float32)
    sums2 = tl.zeros([QUERIES, SECOND], tl.float32) if SECOND else total
    return total - float("inf"), total, sums, sums2


@triton.jit
def _write(cells, asked, total, sums, sums2, FIRST: tl.constexpr, SECOND: tl.constexpr):
    """Write what queries found to their cells."""
    c, asked = tl.arange(0, FIRST)[None, :], asked[:, None]
    tl.store(cells[:, None] + c, sums / total[:, None], mask=asked)
    if SECOND:
        c = FIRST + tl.arange(0, SECOND)[None, :]
        tl.store(cells[:, None] + c, sums2 / total[:, None], mask=asked)


@triton.jit
def _image_kernel(
    qkv, table_y, table_x, by_row, by_line, out, heads, scale,
    S: tl.constexpr, FIRST: tl.constexpr, SECOND: tl.constexpr,
):  # fmt: skip
    """Write what a row of an image's queries finds in one head, a row of keys at a time.

    by_row [B n, s, s, s] and by_line [B n, s, s, 2 s] are this program's own to write and read:
    what a query adds for each row of keys, and for each line of the table of columns.
    """
    C: tl.constexpr = FIRST + SECOND
    y, bn = tl.program_id(0), tl.program_id(1)
    image, n = (bn // heads * S * S).to(tl.int64), bn % heads
    cell = 3 * heads * C
    qkv += image * cell + n * C
    x, line = tl.arange(0, S), tl.arange(0, 2 * S)
    q, q2 = _read(qkv + (y * S + x) * cell, None, FIRST, SECOND)
    # Line l of a table is of the key s - 1 - l cells further on than the query.
    r, r2 = _read(table_y + (y + S - 1 - x) * C, None, FIRST, SECOND)
    own = (bn * S + y).to(tl.int64) * S * S
    by_row += own
    tl.store(by_row + x[None, :] * S + x[:, None], _product(q, q2, r, r2, SECOND))
    r, r2 = _read(table_x + line * C, line < 2 * S - 1, FIRST, SECOND)
    by_line += 2 * own + x[:, None] * (2 * S)
    tl.store(by_line + line[None, :], _product(q, q2, r, r2, SECOND))
    tl.debug_barrier()  # what a thread reads others wrote
    of_column = tl.load(by_line + x[:, None] + S - 1 - x[None, :]).to(tl.float32) * LOG2_E

    scale *= LOG2_E
    most, total, sums, sums2 = _nothing_yet(S, FIRST, SECOND)
    for key_y in range(S):
        k = qkv + heads * C + (key_y * S + x) * cell
        k1, k2 = _read(k, None, FIRST, SECOND)
        v1, v2 = _read(k + heads * C, None, FIRST, SECOND)
        scores = tl.fma(_product(q, q2, k1, k2, SECOND), scale, of_column)
        of_row = tl.load(by_row + key_y * S + x).to(tl.float32) * LOG2_E
        most, total, sums, sums2 = _take_in(
            scores, of_row, v1, v2, most, total, sums, sums2, SECOND
        )
    out += (image * heads + n) * C
    _write(out + (y * S + x) * heads * C, x < S, total, sums, sums2, FIRST, SECOND)


@triton.jit
def _positions(
    q, q2, table, place,
    S: tl.constexpr, LINES: tl.constexpr, C: tl.constexpr, SECOND: tl.constexpr,
):  # fmt: skip
    """Return what queries at places of a row (or column) add for each of its keys."""
    line = tl.arange(0, LINES)
    r, r2 = _read(table + line * C, line < 2 * S - 1, C - SECOND, SECOND)
    by_line = _product(q, q2, r, r2, SECOND)
    wanted = place[:, None] + S - 1 - (line % (LINES // 2))[None, :]
    return tl.gather(by_line, tl.maximum(wanted, 0), 1)


@triton.jit
def _window_keys(
    q, q2, positions, cells, there, key_y, key_x, most, total, sums, sums2, values,
    COLUMNS: tl.constexpr, FIRST: tl.constexpr, SECOND: tl.constexpr,
):  # fmt: skip
    """Take in the keys at cells that are there; their values lie as much further on."""
    k1, k2 = _read(cells, there, FIRST, SECOND)
    v1, v2 = _read(cells + values, there, FIRST, SECOND)
    # What their row and their column add: a product with which of them a key has.
    line = tl.arange(0, 2 * COLUMNS)[:, None]
    has = (line == key_y[None, :]) | (line == COLUMNS + key_x[None, :])
    scores = tl.dot(positions, has.to(positions.dtype), _product(q, q2, k1, k2, SECOND))
    scores = tl.where(there[None, :], scores * LOG2_E, float("-inf"))
    return _take_in(scores, 0.0, v1, v2, most, total, sums, sums2, SECOND)


@triton.jit
def _window_kernel(
    qkv, bias, table_y, table_x, out, H, W, heads, scale,
    S: tl.constexpr, COLUMNS: tl.constexpr, ROWS: tl.constexpr,
    FIRST: tl.constexpr, SECOND: tl.constexpr,
):  # fmt: skip
    """Write what some rows of a window's queries find in one head; rows are of COLUMNS >= s."""
    C: tl.constexpr = FIRST + SECOND
    window, bn = tl.program_id(1), tl.program_id(2)
    b, n = bn // heads, bn % heads
    top, left = window // tl.cdiv(W, S) * S, window % tl.cdiv(W, S) * S
    high, wide = tl.minimum(H - top, S), tl.minimum(W - left, S)
    first, cell = ((b * H + top) * W + left).to(tl.int64), 3 * heads * C
    qkv += first * cell + n * C
    m = tl.arange(0, ROWS * COLUMNS)
    y, x = tl.program_id(0) * ROWS + m // COLUMNS, m % COLUMNS
    asked = (y < high) & (x < wide)
    q, q2 = _read(qkv + (y * W + x) * cell, asked, FIRST, SECOND)
    of_rows = _positions(q, q2, table_y, y, S, 2 * COLUMNS, C, SECOND)
    of_columns = _positions(q, q2, table_x, x, S, 2 * COLUMNS, C, SECOND)
    is_row = (tl.arange(0, 2 * COLUMNS) < COLUMNS)[None, :]
    positions = tl.where(is_row, of_rows, of_columns).to(q.dtype)
    q, q2 = (q.to(tl.float32) * scale).to(q.dtype), (q2.to(tl.float32) * scale).to(q.dtype)

    most, total, sums, sums2 = _nothing_yet(ROWS * COLUMNS, FIRST, SECOND)
    for top_row in range(0, high, ROWS):
        key_y = top_row + m // COLUMNS
        most, total, sums, sums2 = _window_keys(
            q, q2, positions, qkv + heads * C + (key_y * W + x) * cell,
            (key_y < high) & (x < wide), key_y, x, most, total, sums, sums2, heads * C,
            COLUMNS, FIRST, SECOND,
        )  # fmt: skip
    if (high < S) | (wide < S):
        # Beyond the image are zeros, whose projection is the bias.
        for top_row in range(0, S, ROWS):
            key_y = top_row + m // COLUMNS
            beyond = (key_y < S) & (x < S) & ((key_y >= high) | (x >= wide))
            most, total, sums, sums2 = _window_keys(
                q, q2, positions, bias + (heads + n) * C + x * 0,
                beyond, key_y, x, most, total, sums, sums2, heads * C, COLUMNS, FIRST, SECOND,
            )  # fmt: skip
    out += (first * heads + n) * C
    _write(out + (y * W + x) * heads * C, asked, total, sums, sums2, FIRST, SECOND)


@library.custom_op("vrp::tiled_attention", mutates_args=())
def tiled_attention(
    qkv_BHWc: Tensor, bias_c: Tensor | None, table_y: Tensor, table_x: Tensor, heads: int
) -> Tensor:
    """Return the attention [B, H, W, n * C] of projected cells [B, H, W, 3 * n * C].

    The tables are of relative positions [2 * s - 1, C]. bias_c is what zeros are projected to, None
    for zeros. Raises ValueError for what the kernel does not take: 32 bits on a GPU, heads whose
    width is neither a power of 2 of 16 or more nor the sum of two; RuntimeError where this GPU
    cannot run it.
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
    first, second = _parts(channels // 3 // heads)
    side = (len(table_y) + 1) // 2
    if qkv_BHWc.is_cuda and qkv_BHWc.element_size() != 2:
        raise ValueError(f"tiles are of 16-bit numbers, not {qkv_BHWc.dtype}")
    bias_c = qkv_BHWc.new_zeros(channels) if bias_c is None else bias_c
    qkv_BHWc = qkv_BHWc.contiguous()
    out = qkv_BHWc.new_empty(B, H, W, channels // 3)
    scale = (first + second) ** -0.5
    # Warps, stages and registers are those that were fastest on an H100. With one stage, heads in
    # two parts got wrong results there (Triton 3.6).
    if side == H == W == _power(side) and side >= CELLS:
        by_row = qkv_BHWc.new_empty(B * heads, side, side, side)
        by_line = qkv_BHWc.new_empty(B * heads, side, side, 2 * side)
        _image_kernel[(side, B * heads)](
            qkv_BHWc, table_y, table_x, by_row, by_line, out, heads, scale,
            S=side, FIRST=first, SECOND=second,
            num_warps=4, num_stages=3,
        )  # fmt: skip
        return out
    columns = _power(side)
    rows, windows = max(1, CELLS // columns), triton.cdiv(H, side) * triton.cdiv(W, side)
    _window_kernel[(triton.cdiv(side, rows), windows, B * heads)](
        qkv_BHWc, bias_c, table_y, table_x, out, H, W, heads, scale,
        S=side, COLUMNS=columns, ROWS=rows, FIRST=first, SECOND=second,
        num_warps=4, num_stages=2, maxnreg=144,
    )  # fmt: skip
    return out


def _parts(channels: int) -> tuple[int, int]:
    """Return the two powers of 2 that sum up to a head's channels; of a power, itself and 0."""
    first = 1 << channels.bit_length() - 1
    second = channels - first
    if first < LEAST_SIDE or second & (second - 1) or 0 < second < LEAST_SIDE:
        raise ValueError(f"heads of {channels} channels, which no tiles have")
    return first, second


def _power(cells: int) -> int:
    return max(LEAST_SIDE, triton.next_power_of_2(cells))
