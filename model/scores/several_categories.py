"""What is asked of one image for several categories at once becomes the figures of FS-CS.

Kang and Cho, "Integrative Few-Shot Learning for Classification and Segmentation", CVPR 2022,
section 5, counted as their public code counts it: the 0/1 exact ratio is the share of images whose
decisions are all right; mIoU is over what is left of the masks, each pixel of one category or of
none, its intersections and unions summed over all images, those without the category too.
Letters beyond those of model/segmenter.py: E pairs of an image and a category.
"""

from collections.abc import Sequence

import numpy as np

from model.masks.overlaps import owners
from model.scores.episode_score import TargetTruth
from model.scores.metrics import Overlap, overlap
from model.segmenter import Prediction


def kept_overlaps(
    predictions: Sequence[Prediction],
    truths: Sequence[TargetTruth],
    there: Sequence[bool],
    sureness: Sequence[float],
    mask_logit: float,
) -> list[Overlap]:
    """Compare what a decision leaves of each category's mask with its truth, at the image's size.

    A category that is said not to be there has no mask; a pixel of several masks goes to one, as
    `overlaps: argmax` gives it away (`model.masks.overlaps.owners`, with the sureness).
    """
    size_HW = (truths[0].mask_HW.shape[0], truths[0].mask_HW.shape[1])
    kept = [place for place, is_there in enumerate(there) if is_there]
    owner_HW = owners(
        [predictions[place] for place in kept],
        size_HW,
        mask_logit,
        [sureness[place] for place in kept],
    )
    own = {place: owner_HW == number for number, place in enumerate(kept)}
    nothing_HW = np.zeros(size_HW, bool)
    return [
        overlap(own.get(place, nothing_HW), truth.mask_HW, truth.ignore_HW)
        for place, truth in enumerate(truths)
    ]


def all_right(right_E: np.ndarray, image_E: np.ndarray) -> np.ndarray:
    """Return for each pair whether all decisions of its image are right, bool [E].

    Its mean is the exact ratio where every image has as many pairs. image_E numbers the images.
    """
    _, place_E = np.unique(image_E, return_inverse=True)
    wrong = np.bincount(place_E, ~right_E)
    return wrong[place_E] == 0
