"""An annotation that shows part of an object becomes the object, by asking its own image for it.

Points, strokes and boxes say less than a mask, and a mask is what references are best studied by.
So a reference is first its own target. With the weights of 2026-11-25 half way (step 539; 40
targets, mIoU): a box 0.40, completed 0.44; points 0.37 and 0.41; a mask 0.46.

Letters beyond those of model/segmenter.py: R references; h w the fine grid.
"""

import torch
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional as F

from model.networks.feature_maps import FeatureMaps
from model.networks.lite.answer import answer_references
from model.networks.lite.sam import LiteVrp


def complete(
    sam: Sam, vrp: LiteVrp, maps: FeatureMaps, mask_Rhw: Tensor, is_box_R: Tensor
) -> Tensor:
    """Return references' annotations as masks of their objects: 0/1 [R, h, w], none of them empty.

    What is found lies inside a box, and around what is drawn otherwise.
    """
    studied = vrp.study(maps, mask_Rhw)
    answer = answer_references(sam, vrp, maps, studied, shots=1)
    h, w = mask_Rhw.shape[-2:]
    found_Rhw = F.adaptive_avg_pool2d((answer.logits_PHW > 0).to(mask_Rhw.dtype), (h, w)) >= 0.5
    drawn_Rhw = mask_Rhw.bool()
    inside_Rhw = found_Rhw & drawn_Rhw
    inside_Rhw = torch.where(inside_Rhw.flatten(1).any(1)[:, None, None], inside_Rhw, drawn_Rhw)
    chosen_Rhw = torch.where(is_box_R[:, None, None], inside_Rhw, found_Rhw | drawn_Rhw)
    return chosen_Rhw.to(mask_Rhw.dtype)
