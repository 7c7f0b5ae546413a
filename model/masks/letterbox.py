"""Logits over SAM's padded input become those of the image that lies in it.

As `Sam.postprocess_masks`: to the input's size, the padding cut off, then to the image's.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model.networks.pixels import letterbox_hw

# SAM's decoder answers at a quarter of the resolution of its input.
LOGITS_STRIDE = 4


def image_logits(logits_hw: np.ndarray, size_HW: tuple[int, int]) -> np.ndarray:
    """Return what covers an image of SAM's logits, at the size of SAM's input."""
    maps_1hw = torch.from_numpy(logits_hw)[None]
    return np.ascontiguousarray(_input_maps(maps_1hw, size_HW)[0].numpy())


def letterbox_maps(maps_Mhw: Tensor, size_HW: tuple[int, int]) -> Tensor:
    """Upsample maps over SAM's padded input, at the size of its logits, to the image's pixels."""
    return _bilinear(_input_maps(maps_Mhw, size_HW)[None], size_HW)[0]


def _input_maps(maps_Mhw: Tensor, size_HW: tuple[int, int]) -> Tensor:
    """Upsample maps to SAM's input, and cut its padding off."""
    side_px = LOGITS_STRIDE * maps_Mhw.shape[-1]
    input_h, input_w = letterbox_hw(size_HW, side_px)
    return _bilinear(maps_Mhw[None], (side_px, side_px))[0, :, :input_h, :input_w]


def _bilinear(logits_11hw: Tensor, size_hw: tuple[int, int]) -> Tensor:
    return F.interpolate(logits_11hw, size_hw, mode="bilinear", align_corners=False)
