"""Polygons to filled pixels, in integer arithmetic: the same bits on every machine."""

from collections.abc import Sequence

import numpy as np

UNIT = 16
"""Fixed-point steps per sub-pixel of a corner's coordinates."""

SAMPLES = 2
"""Sub-pixels per pixel and axis: coverage comes in 0..SAMPLES**2."""

_TABLE_TURNS = 4096
# libm's sine differs in the last bit between platforms. Rounded to 2**-20 it does not: no entry
# lies within 1e-9 of a rounding tie (tests/pipeline/scenes/test_compose.py has the checksum).
_SINE = np.round(np.sin(np.arange(_TABLE_TURNS) * (2 * np.pi / _TABLE_TURNS)) * 2**20) / 2**20


def sine(turns: np.ndarray | float) -> np.ndarray:
    """Return the sine of an angle in turns, to the nearest 1/4096 turn, the same everywhere."""
    steps = np.floor(np.asarray(turns, np.float64) * _TABLE_TURNS + 0.5).astype(np.int64)
    return _SINE[steps % _TABLE_TURNS]


def cosine(turns: np.ndarray | float) -> np.ndarray:
    """Return the cosine of an angle in turns; see `sine`."""
    return sine(np.asarray(turns, np.float64) + 0.25)


def coverage(loops: Sequence[np.ndarray], height_px: int, width_px: int) -> np.ndarray:
    """Fill closed loops by the non-zero winding rule.

    Loops are float [V, 2] corners (x, y) in pixels, (0, 0) the top-left corner of the canvas.
    Returns uint8 [height, width], 0..SAMPLES**2 sub-pixels covered.
    """
    rows, columns = height_px * SAMPLES, width_px * SAMPLES
    starts, ends = [], []
    for loop in loops:
        corners = np.floor(loop * (SAMPLES * UNIT) + 0.5).astype(np.int64)
        starts.append(corners)
        ends.append(np.concatenate([corners[1:], corners[:1]]))
    x0, y0 = np.concatenate(starts).T
    x1, y1 = np.concatenate(ends).T
    # The rows whose sample line, at the middle of the sub-pixel, an edge crosses.
    first = np.clip((np.minimum(y0, y1) + UNIT // 2 - 1) // UNIT, 0, rows)
    count = np.clip((np.maximum(y0, y1) + UNIT // 2 - 1) // UNIT, 0, rows) - first
    edge = np.repeat(np.arange(len(x0)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    x0, y0, x1, y1 = x0[edge], y0[edge], x1[edge], y1[edge]
    crossing = x0 + (row * UNIT + UNIT // 2 - y0) * (x1 - x0) // (y1 - y0)
    # The first sub-pixel whose centre is at or right of the crossing.
    column = np.clip((crossing + UNIT // 2 - 1) // UNIT, 0, columns)
    turn = np.bincount(
        row * (columns + 1) + column, np.where(y1 > y0, 1.0, -1.0), rows * (columns + 1)
    )
    winding = np.cumsum(turn.astype(np.int8).reshape(rows, columns + 1), axis=1, dtype=np.int8)
    filled = (winding[:, :columns] != 0).view(np.uint8)
    tall = sum(filled[row::SAMPLES] for row in range(1, SAMPLES)) + filled[::SAMPLES]
    return sum(tall[:, column::SAMPLES] for column in range(1, SAMPLES)) + tall[:, ::SAMPLES]
