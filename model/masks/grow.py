"""A mask becomes a larger or a smaller one, as somebody draws who is generous or who is careful."""

import numpy as np


def grown(mask_HW: np.ndarray, by_px: int) -> np.ndarray:
    """Return the mask dilated by a square of 2 |by| + 1 pixels, or eroded where by is negative.

    PerSAM's supplement, Table 11, does this to reference masks. What lies outside the image is
    neither object nor background. An erosion that would leave nothing stops before it does.
    """
    if by_px > 0:
        return _count(mask_HW, by_px) > 0
    for width_px in range(-by_px, 0, -1):
        smaller_HW = _count(~mask_HW, width_px) == 0
        if smaller_HW.any():
            return smaller_HW
    return mask_HW


def _count(mask_HW: np.ndarray, reach_px: int) -> np.ndarray:
    """Count a mask's pixels in the square around each pixel: a sum table, read at its corners."""
    side = 2 * reach_px + 1
    padded = np.pad(mask_HW.astype(np.int32), ((reach_px + 1, reach_px), (reach_px + 1, reach_px)))
    table = padded.cumsum(axis=0).cumsum(axis=1)
    square = table[side:, side:] - table[:-side, side:] - table[side:, :-side]
    return square + table[:-side, :-side]
