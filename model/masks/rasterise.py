"""An annotation becomes a mask on the reference's feature grid, never an empty one.

Paper, section 3.2: every annotation format is a 0/1 mask over the reference image, resized to the
grid by nearest. Thin annotations do not survive that: of 20 points at 512 pixels most draws leave
none on a 64 x 64 grid. So points and strokes are drawn in the grid itself, and what nearest would
lose altogether falls back to every cell that it touches.

The grid covers the image stretched to a square; cell (i, j) of an h x w grid covers image rows
i * H / h to (i + 1) * H / h, and columns likewise.
"""

from collections.abc import Sequence

import numpy as np

from model.masks.nearest import first_pixels
from model.segmenter import LoadedReference
from schemas.job.reference import Box, Points, Scribbles


def rasterise(
    annotation: np.ndarray | Box | Points | Scribbles,
    image_HW: tuple[int, int],
    grid_hw: tuple[int, int],
) -> np.ndarray:
    """Draw an annotation on the grid: bool [h, w], True on the object.

    A mask array is [H, W] of the image's size; other annotations are in image pixels. Only a mask
    without a foreground pixel comes out empty.
    """
    match annotation:
        case Box():
            return _box(annotation, image_HW, grid_hw)
        case Points():
            return _cells(np.asarray(annotation.points, dtype=np.float64), image_HW, grid_hw)
        case Scribbles():
            return _scribbles(annotation, image_HW, grid_hw)
        case np.ndarray():
            return _mask(annotation, grid_hw)


def rasterise_all(references: Sequence[LoadedReference], grid_hw: tuple[int, int]) -> np.ndarray:
    """Draw references' annotations on the grid: bool [R, h, w]."""
    return np.stack(
        [rasterise(one.annotation, one.image_HW3.shape[:2], grid_hw) for one in references]
    )


def _mask(mask_HW: np.ndarray, grid_hw: tuple[int, int]) -> np.ndarray:
    (H, W), (h, w) = mask_HW.shape, grid_hw
    mask_HW = mask_HW != 0
    mask_hw = mask_HW[np.ix_(first_pixels(H, h), first_pixels(W, w))]
    if mask_hw.any():
        return mask_hw
    rows, columns = np.nonzero(mask_HW)
    return _cells(np.stack([columns + 0.5, rows + 0.5], axis=1), (H, W), grid_hw)


def _box(box: Box, image_HW: tuple[int, int], grid_hw: tuple[int, int]) -> np.ndarray:
    (H, W), (h, w) = image_HW, grid_hw
    left, top, right, bottom = box.xyxy
    # The centres of the pixels that nearest reads, so that a box is its filled mask, resized.
    x_w, y_h = first_pixels(W, w) + 0.5, first_pixels(H, h) + 0.5
    box_hw = ((y_h >= top) & (y_h < bottom))[:, None] & ((x_w >= left) & (x_w < right))
    if box_hw.any():
        return box_hw
    x_w, y_h = np.arange(w) * W / w, np.arange(h) * H / h
    touched_w = (x_w < right) & (x_w + W / w > left)
    touched_h = (y_h < bottom) & (y_h + H / h > top)
    return touched_h[:, None] & touched_w


def _cells(xy_N2: np.ndarray, image_HW: tuple[int, int], grid_hw: tuple[int, int]) -> np.ndarray:
    """Light the cell that each point lies in."""
    lit_hw = np.zeros(grid_hw, dtype=bool)
    lit_hw[_cells_of(xy_N2, image_HW, grid_hw)] = True
    return lit_hw


def _cells_of(
    xy_N2: np.ndarray, image_HW: tuple[int, int], grid_hw: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return each point's cell, row and column; one on the far edge belongs to the last cell."""
    (H, W), (h, w) = image_HW, grid_hw
    x = np.clip(xy_N2[:, 0] * w // W, 0, w - 1).astype(np.intp)
    y = np.clip(xy_N2[:, 1] * h // H, 0, h - 1).astype(np.intp)
    return y, x


def _scribbles(
    scribbles: Scribbles, image_HW: tuple[int, int], grid_hw: tuple[int, int]
) -> np.ndarray:
    (H, W), (h, w) = image_HW, grid_hw
    lit_hw = np.zeros(grid_hw, dtype=bool)
    x_w, y_h = (np.arange(w) + 0.5) * (W / w), (np.arange(h) + 0.5) * (H / h)
    radius_px = scribbles.width_px / 2
    for stroke in scribbles.strokes:
        points_N2 = np.asarray(stroke, dtype=np.float64)
        # A single point is a segment of no length: a dab of the brush.
        ends_N2 = points_N2[1:] if len(points_N2) > 1 else points_N2
        for start_2, end_2 in zip(points_N2, ends_N2, strict=False):
            # The line itself, sampled twice a cell, keeps strokes thinner than a cell.
            samples = 2 + int(2 * np.abs((end_2 - start_2) * [w / W, h / H]).max())
            line_S2 = start_2 + np.linspace(0, 1, samples)[:, None] * (end_2 - start_2)
            lit_hw[_cells_of(line_S2, image_HW, grid_hw)] = True
            # At an image's own size only few cells are near: the others are not looked at.
            rows = _near(y_h, start_2[1], end_2[1], radius_px)
            columns = _near(x_w, start_2[0], end_2[0], radius_px)
            away_hw = _distance_px(x_w[columns], y_h[rows], start_2, end_2)
            lit_hw[rows, columns] |= away_hw <= radius_px
    return lit_hw


def _near(centres_N: np.ndarray, start: float, end: float, radius: float) -> slice:
    """Return which of an axis' cells a brush may reach: one more at each end, for rounding."""
    first, last = min(start, end) - radius, max(start, end) + radius
    return slice(
        max(0, int(np.searchsorted(centres_N, first)) - 1),
        int(np.searchsorted(centres_N, last, side="right")) + 1,
    )


def _distance_px(
    x_w: np.ndarray, y_h: np.ndarray, start_2: np.ndarray, end_2: np.ndarray
) -> np.ndarray:
    """Return the distance of each place of a grid to a line segment: [h, w]."""
    line_x, line_y = line_2 = end_2 - start_2
    from_x_w, from_y_h1 = x_w - start_2[0], (y_h - start_2[1])[:, None]
    along_hw = (from_x_w * line_x + from_y_h1 * line_y) / max(line_2 @ line_2, 1e-12)
    along_hw = np.clip(along_hw, 0, 1)
    nearest_x_hw, nearest_y_hw = start_2[0] + along_hw * line_x, start_2[1] + along_hw * line_y
    return np.hypot(x_w - nearest_x_hw, y_h[:, None] - nearest_y_hw)
