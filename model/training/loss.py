"""Mask logits and the true mask become the loss that trains the VRP encoder: paper, equation 6.

Letters beyond those of model/segmenter.py: none; H W is the square that the loss is computed on.
"""

from typing import Literal

from torch import Tensor
from torch.nn import functional as F

# Keeps the quotient defined where every probability underflows to 0 over an empty mask.
LEAST_SQUARES = 1e-6
Terms = Literal["bce+dice", "bce", "dice"]


def mask_loss(
    logits_BHW: Tensor, truth_BHW: Tensor, valid_BHW: Tensor, terms: Terms = "bce+dice"
) -> Tensor:
    """Return BCE + Dice of each image, or one of them alone: [B], float32.

    truth is 0 or 1; pixels where valid is False (annotators' void) count for nothing. Dice has
    squares in its denominator. Over an empty mask it is the constant 1, so that a negative episode
    is taught by BCE alone.
    """
    logits_BN = logits_BHW.float().flatten(1)
    truth_BN = truth_BHW.float().flatten(1)
    valid_BN = valid_BHW.float().flatten(1)
    bce_BN = F.binary_cross_entropy_with_logits(logits_BN, truth_BN, reduction="none")
    bce_B = (bce_BN * valid_BN).sum(dim=1) / valid_BN.sum(dim=1).clamp(min=1)
    probability_BN = logits_BN.sigmoid() * valid_BN
    truth_BN = truth_BN * valid_BN
    overlap_B = (probability_BN * truth_BN).sum(dim=1)
    squares_B = probability_BN.square().sum(dim=1) + truth_BN.square().sum(dim=1)
    dice_B = 1 - 2 * overlap_B / squares_B.clamp(min=LEAST_SQUARES)
    match terms:
        case "bce+dice":
            return bce_B + dice_B
        case "bce":
            return bce_B
        case "dice":
            return dice_B
