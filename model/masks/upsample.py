"""A prediction's low-resolution logits become a mask of the image's pixels.

A pixel is foreground where SAM's logits, upsampled bilinearly, exceed the threshold. Bilinear
values lie between their four neighbours, so outside the box of low-resolution cells that exceed
the threshold, one cell wider, nothing can: only the pixels of that box are computed.
"""

import numpy as np

from model.segmenter import Prediction

# 64 columns of 4000 pixels in float32 are 1 MB: the working set stays in the cache.
COLUMNS_PER_STEP = 64


def mask_at(prediction: Prediction, size_HW: tuple[int, int], threshold: float) -> np.ndarray:
    """Return the mask of the image's size: bool [H, W], in Fortran order (as COCO's RLE reads)."""
    return _mask(_over_image(prediction, size_HW), size_HW, threshold, prediction.align_corners)


def logits_at(
    prediction: Prediction, size_HW: tuple[int, int], box: tuple[slice, slice]
) -> np.ndarray:
    """Return the logits that `mask_at` compares with its threshold, float32, of a box of pixels.

    box: rows and columns of the image, with a start and a stop.
    """
    ys, xs = box
    logits_hw, corners = _over_image(prediction, size_HW), prediction.align_corners
    (h, w), (H, W) = logits_hw.shape, size_HW
    rows_Yw = _blend(logits_hw, *(line[ys] for line in _neighbours(H, h, corners)))
    rows_wY = np.ascontiguousarray(rows_Yw.T)
    return _blend(rows_wY, *(line[xs] for line in _neighbours(W, w, corners))).T


def stability(logits_hw: np.ndarray, threshold: float, offset: float = 1.0) -> float:
    """Return the IoU of the masks at threshold +- offset, 0 where both are empty.

    SAM's stability score (Kirillov et al. 2023, section 5), on the low-resolution logits.
    """
    larger = int(np.count_nonzero(logits_hw > threshold - offset))
    smaller = int(np.count_nonzero(logits_hw > threshold + offset))
    return smaller / larger if larger else 0.0


def _mask(
    logits_hw: np.ndarray, size_HW: tuple[int, int], threshold: float, corners: bool
) -> np.ndarray:
    (h, w), (H, W) = logits_hw.shape, size_HW
    mask_WH = np.zeros((W, H), dtype=bool)
    above_hw = logits_hw > threshold
    if not above_hw.any():
        return mask_WH.T
    top_H, bottom_H, part_H = _neighbours(H, h, corners)
    left_W, right_W, part_W = _neighbours(W, w, corners)
    ys = _reached(top_H, bottom_H, np.flatnonzero(above_hw.any(axis=1)))
    xs = _reached(left_W, right_W, np.flatnonzero(above_hw.any(axis=0)))
    # Rows, then columns of the transpose: both steps read and write whole lines of memory.
    rows_Yw = _blend(logits_hw, top_H[ys], bottom_H[ys], part_H[ys])
    rows_wY = np.ascontiguousarray(rows_Yw.T)
    for start in range(xs.start, xs.stop, COLUMNS_PER_STEP):
        x = slice(start, min(start + COLUMNS_PER_STEP, xs.stop))
        mask_WH[x, ys] = _blend(rows_wY, left_W[x], right_W[x], part_W[x]) > threshold
    return mask_WH.T


def _neighbours(
    length: int, cells: int, align_corners: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the two cells around each pixel's centre and the second one's weight.

    As `torch.nn.functional.interpolate` with the same `align_corners`, in float32 like it.
    """
    pixels = np.arange(length, dtype=np.float32)
    if align_corners:
        scale = np.float32((cells - 1) / max(length - 1, 1))
        centre = np.minimum(scale * pixels, np.float32(cells - 1))
    else:
        centre = np.maximum(np.float32(cells / length) * (pixels + 0.5) - 0.5, 0)
    first = centre.astype(np.intp)
    return first, np.minimum(first + 1, cells - 1), (centre - first).astype(np.float32)


def _reached(first: np.ndarray, second: np.ndarray, cells: np.ndarray) -> slice:
    """Return the pixels that have a neighbour from the first to the last of the cells."""
    pixels = np.flatnonzero((second >= cells[0]) & (first <= cells[-1]))
    # An image smaller than the logits skips cells: none of its pixels may read these.
    return slice(int(pixels[0]), int(pixels[-1]) + 1) if len(pixels) else slice(0, 0)


def _blend(
    lines: np.ndarray, first: np.ndarray, second: np.ndarray, part: np.ndarray
) -> np.ndarray:
    return lines[first] * (1 - part)[:, None] + lines[second] * part[:, None]


def _over_image(prediction: Prediction, size_HW: tuple[int, int]) -> np.ndarray:
    """Return the logits that cover the image and nothing else: of SAM's padded input, its part."""
    match prediction.frame:
        case "squash":
            return prediction.logits_hw
        case "letterbox":
            # Only here: most processes that encode masks need no torch, which is 0.4 GB.
            from model.masks.letterbox import image_logits  # noqa: PLC0415

            return image_logits(prediction.logits_hw, size_HW)
