"""A prediction and the truth of its image become the pixel counts that scores add up.

On the square that few-shot papers use, and at the image's own resolution.
"""

from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np

from model.masks.upsample import mask_at
from model.scores.boundary import boundary_px, boundary_region, contour_accuracy
from model.scores.metrics import overlap
from model.segmenter import Prediction


@dataclass(frozen=True)
class TargetTruth:
    """A target's true mask and the pixels that count nowhere, bool [H, W] both."""

    mask_HW: np.ndarray
    ignore_HW: np.ndarray

    @cached_property
    def boundary(self) -> np.ndarray:
        """The mask's boundary region, bool [H, W]: the same for every prediction."""
        return boundary_region(self.mask_HW, boundary_px(self.mask_HW.shape))


@dataclass(frozen=True)
class EpisodeCounts:
    """One prediction's pixels; names as in `schemas.job.evaluate.COUNTS_SCHEMA`."""

    grid_intersection_px: int
    grid_union_px: int
    grid_background_intersection_px: int
    grid_background_union_px: int
    intersection_px: int
    union_px: int
    background_intersection_px: int
    background_union_px: int
    boundary_intersection_px: int
    boundary_union_px: int
    predicted_px: int
    image_px: int
    score: float
    presence: float | None
    contour_f: float | None = None


def count_pixels(
    prediction: Prediction,
    truth: TargetTruth,
    mask_logit: float,
    grid_px: int,
    *,
    contours: bool = False,
) -> EpisodeCounts:
    """Compare a prediction with the truth; contours asks for DAVIS's F too, which takes longest.

    On the grid, logits over the stretched image are upsampled to the grid itself; letterboxed ones
    have no such form, and their mask of the image's size is sampled as the truth is.
    """
    size_HW = (truth.mask_HW.shape[0], truth.mask_HW.shape[1])
    predicted_HW = mask_at(prediction, size_HW, mask_logit)
    if prediction.frame == "squash":
        on_grid = mask_at(prediction, (grid_px, grid_px), mask_logit)
    else:
        on_grid = sampled(predicted_HW, grid_px)
    grid = overlap(on_grid, sampled(truth.mask_HW, grid_px), sampled(truth.ignore_HW, grid_px))
    own = overlap(predicted_HW, truth.mask_HW, truth.ignore_HW)
    boundary_HW = boundary_region(predicted_HW, boundary_px(size_HW))
    outline = overlap(boundary_HW, truth.boundary, truth.ignore_HW)
    counted_HW = ~truth.ignore_HW
    return EpisodeCounts(
        **{f"grid_{name}": value for name, value in asdict(grid).items()},
        **asdict(own),
        boundary_intersection_px=outline.intersection_px,
        boundary_union_px=outline.union_px,
        predicted_px=int(np.count_nonzero(predicted_HW & counted_HW)),
        image_px=int(np.count_nonzero(counted_HW)),
        score=prediction.score,
        presence=prediction.presence,
        contour_f=contour_accuracy(predicted_HW, truth.mask_HW) if contours else None,
    )


def sampled(mask_HW: np.ndarray, side_px: int) -> np.ndarray:
    """Stretch a mask to a square: each pixel takes the value under its centre."""
    rows, columns = (
        ((np.arange(side_px) + 0.5) * length / side_px).astype(np.intp) for length in mask_HW.shape
    )
    return mask_HW[rows][:, columns]
