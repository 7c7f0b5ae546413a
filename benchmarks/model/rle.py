"""Logits become a run-length mask of a photo of 12 megapixels, against interpolating all of it.

python -m benchmarks.model.rle [--json]
"""

from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch.nn import functional as F

from benchmarks.parts.figure import faster, in_turns, one_thread, tell
from model.masks.upsample import mask_at
from model.segmenter import Prediction
from pipeline.masks.runs import encode_rle

SIZE_HW = (3000, 4000)
REPEATS = 7


def prediction() -> Prediction:
    """Return a disc of a tenth of the image, of logits 256 x 256."""
    y, x = np.mgrid[:256, :256].astype(np.float32)
    logits_hw = 46.0 - np.hypot(x - 140, y - 110)
    return Prediction(1, logits_hw, 0.9, "squash")


def ours() -> object:
    """Return the runs as the product makes them."""
    return encode_rle(mask_at(DISC, SIZE_HW, 0.0))["counts"]


def plainly() -> object:
    """Interpolate the whole image, compare, and let pycocotools have it in its order."""
    logits = torch.from_numpy(DISC.logits_hw)[None, None]
    logits_HW = F.interpolate(logits, SIZE_HW, mode="bilinear", align_corners=False)[0, 0]
    runs: Any = coco_mask.encode(np.asfortranarray((logits_HW > 0).numpy(), np.uint8))
    return runs["counts"].decode()


DISC = prediction()

if __name__ == "__main__":
    one_thread()
    assert ours() == plainly()
    about = "one mask of a 12-megapixel photo, a disc of a tenth of it; the same runs; no network"
    tell(faster("rle", in_turns(ours, plainly, REPEATS), 2.5, about), __doc__)
