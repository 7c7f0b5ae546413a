"""Turn masks into polygons around their connected parts, and measure what that loses.

Pixels that touch by a corner are connected. A hole is lost: no format of polygons has any. Two
readings are in use: COCO's corners lie between pixels, at whole numbers; the corners of OpenCV,
Pillow and the tools built on them are pixels, which belong to the mask.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from pipeline.export.extras import library
from pipeline.export.labels import Mask
from pipeline.masks.runs import filled

EXTRA = "polygons"
# Removes the stairs of slanted lines and no pixel: pycocotools and OpenCV fill the same mask.
EXACT_PX = 0.3


@dataclass
class Loss:
    """What polygons keep of their masks: the sum and the least of the IoUs."""

    masks: int = 0
    total: float = 0.0
    least: float = 1.0

    def add(self, iou: float) -> None:
        """Count one more mask."""
        self.masks += 1
        self.total += iou
        self.least = min(self.least, iou)

    @property
    def mean(self) -> float:
        """The mean IoU, 1 of nothing."""
        return self.total / self.masks if self.masks else 1.0


@dataclass
class Outlines:
    """Polygons that keep within tolerance_px of a mask's outline, and what they lost so far."""

    tolerance_px: float = EXACT_PX
    loss: Loss = field(default_factory=Loss)
    cv2: Any = field(default_factory=lambda: library("cv2", EXTRA))  # Raises BadInput

    def between_pixels(self, mask: Mask, size_HW: tuple[int, int]) -> list[list[float]]:
        """Return COCO's polygons, each x0, y0, x1, y1, …"""
        crop_hw, left, top = _crop(mask, size_HW)
        height, width = crop_hw.shape
        # Two steps a pixel, and a pixel's corners on it: outlines follow the pixels' edges.
        steps_hw = np.zeros((2 * height + 1, 2 * width + 1), np.uint8)
        steps_hw[1::2, 1::2] = crop_hw
        around = self.cv2.dilate(steps_hw, np.ones((3, 3), np.uint8))
        corner_xy = np.array((left, top))
        lines = self._contours(around, 2 * self.tolerance_px)
        polygons = [(line / 2 + corner_xy).ravel().tolist() for line in lines]
        wanted: Any = {"size": list(size_HW), "counts": mask.rle_counts.encode("ascii")}
        ious: Any = coco_mask.iou([filled(polygons, size_HW)], [wanted], [0])
        self.loss.add(float(ious[0, 0]))
        return polygons

    def of_pixels(self, mask: Mask, size_HW: tuple[int, int]) -> list[np.ndarray]:
        """Return polygons of border pixels, each [N, 2] of x, y; at least three, some alike."""
        crop_hw, left, top = _crop(mask, size_HW)
        lines = list(self._contours(crop_hw, self.tolerance_px))
        filled_hw = np.zeros_like(crop_hw)
        for line in lines:
            self.cv2.fillPoly(filled_hw, [line], 1)
        both, either = np.count_nonzero(filled_hw & crop_hw), np.count_nonzero(filled_hw | crop_hw)
        self.loss.add(both / either)
        corner_xy = np.array((left, top))
        return [np.resize(line, (max(3, len(line)), 2)) + corner_xy for line in lines]

    def _contours(self, mask_hw: np.ndarray, tolerance: float) -> Iterator[np.ndarray]:
        found, _ = self.cv2.findContours(
            mask_hw, self.cv2.RETR_EXTERNAL, self.cv2.CHAIN_APPROX_SIMPLE
        )
        for outline in found:
            fewer = self.cv2.approxPolyDP(outline, tolerance, closed=True)
            yield (outline if len(fewer) < 3 else fewer)[:, 0]


def _crop(mask: Mask, size_HW: tuple[int, int]) -> tuple[np.ndarray, int, int]:
    """Return the mask inside its box as uint8, and the box's left and top."""
    left, top, width, height = (int(side) for side in mask.box_xywh)
    inside = mask.pixels(size_HW)[top : top + height, left : left + width]
    return np.ascontiguousarray(inside, np.uint8), left, top
