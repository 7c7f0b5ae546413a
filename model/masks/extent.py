"""A mask becomes the box of its outermost pixels."""

import numpy as np


def extent_of(mask_HW: np.ndarray) -> tuple[int, int, int, int] | None:
    """Return left, top, right, bottom in pixel edges; None of an empty mask, bool [H, W]."""
    rows, columns = np.flatnonzero(mask_HW.any(axis=1)), np.flatnonzero(mask_HW.any(axis=0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
