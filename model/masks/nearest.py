"""Resize a mask by taking one of its pixels for each cell of a grid.

Annotations are rasterised by a cell's first pixel, training targets by the one under its centre;
they differ by half a cell, and results depend on both.
"""

import numpy as np


def first_pixels(length_px: int, cells: int) -> np.ndarray:
    """Return each cell's first pixel."""
    return np.arange(cells) * length_px // cells


def centre_pixels(length_px: int, cells: int) -> np.ndarray:
    """Return the pixel under each cell's centre."""
    return ((np.arange(cells) + 0.5) * length_px / cells).astype(np.intp)
