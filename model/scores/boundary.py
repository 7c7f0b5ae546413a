"""Predicted and true masks become scores of their outlines: boundary IoU and DAVIS's F."""

import math

import numpy as np

# Cheng et al. 2021, section 4: 2 % of the image's diagonal, for COCO and LVIS.
BOUNDARY_SHARE = 0.02
# Perazzi et al. 2016 and the DAVIS benchmark: 0.8 % of the diagonal.
DAVIS_SHARE = 0.008


def boundary_px(size_HW: tuple[int, ...], share: float = BOUNDARY_SHARE) -> int:
    """Return the width of the boundary region in an image: at least one pixel."""
    return max(1, round(share * math.hypot(*size_HW)))


def boundary_region(mask_HW: np.ndarray, width_px: int) -> np.ndarray:
    """Return the mask's pixels that lie within width_px of its outline: bool [H, W].

    Boundary IoU is the IoU of two masks' regions (Cheng et al. 2021, equation 2). Distances are
    chessboard's, as repeated erosions by 3 x 3 measure them; the image's own border is outline
    where the mask touches it.
    """
    side = 2 * width_px + 1
    padded = np.pad(mask_HW.astype(np.int32), width_px + 1)
    # A pixel survives the erosion when the whole square around it is mask: counted by a sum table.
    table = padded.cumsum(axis=0).cumsum(axis=1)
    square = table[side:, side:] - table[:-side, side:] - table[side:, :-side]
    inside_HW = square + table[:-side, :-side] == side * side
    return mask_HW & ~inside_HW[: mask_HW.shape[0], : mask_HW.shape[1]]


def contour_accuracy(
    predicted_HW: np.ndarray, truth_HW: np.ndarray, radius_px: int | None = None
) -> float:
    """Return DAVIS's F of one object in one frame: precision and recall of the contour's pixels.

    A pixel is right within radius_px of the other contour (Perazzi et al. 2016, section 4). Two
    masks without a contour agree: 1.
    """
    if radius_px is None:
        radius_px = math.ceil(DAVIS_SHARE * math.hypot(*truth_HW.shape))
    predicted, truth = _contour(predicted_HW), _contour(truth_HW)
    predicted_px, truth_px = np.count_nonzero(predicted), np.count_nonzero(truth)
    if not predicted_px or not truth_px:
        return float(predicted_px == truth_px)
    precision = np.count_nonzero(predicted & _dilated(truth, radius_px)) / predicted_px
    recall = np.count_nonzero(truth & _dilated(predicted, radius_px)) / truth_px
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _contour(mask_HW: np.ndarray) -> np.ndarray:
    """Return the pixels that differ from a neighbour to the right, below, or diagonally below."""
    padded = np.pad(mask_HW, ((0, 1), (0, 1)), mode="edge")
    here, right = padded[:-1, :-1], padded[:-1, 1:]
    below, diagonal = padded[1:, :-1], padded[1:, 1:]
    contour_HW = (here ^ right) | (here ^ below) | (here ^ diagonal)
    # In the last row only the right-hand neighbour counts, in the last column only the one below;
    # the edge padding above says the same, and the corner has neither.
    contour_HW[-1, -1] = False
    return contour_HW


def _dilated(mask_HW: np.ndarray, radius_px: int) -> np.ndarray:
    """Return the pixels within a disk of the radius around the mask's."""
    H, W = mask_HW.shape
    near_HW = np.zeros_like(mask_HW)
    for down_px in range(-min(radius_px, H - 1), min(radius_px, H - 1) + 1):
        half = min(math.isqrt(radius_px**2 - down_px**2), W)
        counts = np.pad(mask_HW, ((0, 0), (half + 1, half))).cumsum(axis=1)
        lines = counts[:, 2 * half + 1 :] - counts[:, : -2 * half - 1] > 0
        source = slice(max(0, -down_px), H - max(0, down_px))
        target = slice(max(0, down_px), H - max(0, -down_px))
        near_HW[target] |= lines[source]
    return near_HW
