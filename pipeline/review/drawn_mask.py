"""Run lengths that the page sends become a mask of the image's size."""

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco_mask

from pipeline.masks.runs import runs_of
from schemas.errors import BadInput


def drawn_mask(runs: Sequence[int], size_HW: tuple[int, int], what: str, where: str) -> np.ndarray:
    """Return the mask, uint8 0/1 [H, W]. Raises BadInput, about `what` at `where`."""
    try:
        return coco_mask.decode(runs_of(runs, size_HW))
    except ValueError as error:
        raise BadInput(what, where, str(error), "runs of the image's size") from error
