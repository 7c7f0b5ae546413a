"""Several categories' masks of one image become one: each pixel goes to the category that claims it
most.
"""

from collections.abc import Sequence

import numpy as np

from model.masks.extent import extent_of
from model.masks.upsample import logits_at, mask_at
from model.segmenter import Prediction


def owners(
    predictions: Sequence[Prediction],
    size_HW: tuple[int, int],
    threshold: float,
    sureness: Sequence[float],
) -> np.ndarray:
    """Return whose each pixel is: int32 [H, W] in Fortran order, -1 nobody's, else the place.

    A prediction claims the pixels of its mask, each with its sureness x sigmoid(logit of the
    pixel): what compares predictions (the probability that the object is there, or SAM's predicted
    IoU), times how sure the mask is of the pixel. The greatest claim has it; of equal ones, the
    first prediction's. Memory: 8 bytes a pixel and one map at a time.
    """
    owner_HW = np.full(size_HW, -1, np.int32, order="F")
    claimed_HW = np.zeros(size_HW, np.float32, order="F")
    for place, (prediction, sure) in enumerate(zip(predictions, sureness, strict=True)):
        mask_HW = mask_at(prediction, size_HW, threshold)
        extent = extent_of(mask_HW)
        if extent is None:
            continue
        left, top, right, bottom = extent
        box = slice(top, bottom), slice(left, right)
        # Beyond 80 float32's exponential overflows, and the sigmoid is 0 or 1 anyway.
        logits = np.clip(logits_at(prediction, size_HW, box), -80, 80)
        claim = np.float32(sure) / (1 + np.exp(-logits))
        # A sureness of 0 claims nothing more than nobody does: its pixels are its own all the same.
        more = mask_HW[box] & ((claim > claimed_HW[box]) | (owner_HW[box] < 0))
        owner_HW[box][more] = place
        claimed_HW[box][more] = claim[more]
    return owner_HW
