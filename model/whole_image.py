"""A method's encoder becomes what an image as a whole looks like: one vector, to be compared."""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

from model.checkpoints.load import Loader
from model.methods.features import FeatureEncoder
from model.methods.prompted_sam import PromptedSam, load_prompted
from model.networks.pixels import letterbox_hw
from model.networks.pseudo_mask import unit_cells
from schemas.job.method import Method

Look = Callable[[np.ndarray], np.ndarray]
"""An image, uint8 RGB, to the mean of its cells, [C] of length 1; padding is none of it."""


def load_look(method: Method, loader: Loader) -> Look:
    """Return the looks by the features that a method compares. Raises BadWeights.

    Weights are local paths, or `random[:SEED]`; a loader that has the networks gives them again.
    """
    networks = load_prompted(method.sam, method.backbone, loader)
    sam = PromptedSam(networks.sam, "letterbox")
    encoder = FeatureEncoder(sam, networks.backbone)

    @torch.inference_mode()
    def look(image_HW3: np.ndarray) -> np.ndarray:
        compared_1Chw = encoder.compare(image_HW3).float()
        if encoder.letterboxed:
            size_HW = (image_HW3.shape[0], image_HW3.shape[1])
            height, width = letterbox_hw(size_HW, compared_1Chw.shape[-1])
            compared_1Chw = compared_1Chw[..., :height, :width]
        return F.normalize(unit_cells(compared_1Chw)[0].mean(dim=0), dim=0).cpu().numpy()

    return look
