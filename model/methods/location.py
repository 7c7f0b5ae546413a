"""A reference's object and an image's features become a location prior: PerSAM's confidence map.

Letters beyond those of model/segmenter.py: R references of one category, S cells of a grid.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model.masks.letterbox import LOGITS_STRIDE, letterbox_maps
from model.methods.features import FeatureEncoder, ImageFeatures
from model.methods.prompted_sam import PromptedSam
from model.segmenter import LoadedReference

Pooling = Literal["mean", "mean_and_max"]


@dataclass(frozen=True)
class Target:
    """What is kept of a category's references: where to look for it, and what it looks like.

    directions_RC have length 1, in the space that is compared; embedding_D is in SAM's.
    """

    category_id: int
    directions_RC: Tensor
    embedding_D: Tensor


@dataclass(frozen=True)
class Located:
    """The likeliest and the least likely pixel of one category in one image, x and y.

    presence is the greatest value of the confidence map, a cosine.
    """

    image: int
    category: int
    size_HW: tuple[int, int]
    positive_xy: tuple[int, int]
    negative_xy: tuple[int, int]
    presence: float


def study(
    encoder: FeatureEncoder, references: Sequence[LoadedReference], pooling: Pooling
) -> list[Target]:
    """Return the targets of the references, in the order of their category ids."""
    by_category: dict[int, list[tuple[Tensor, Tensor]]] = {}
    for reference in sorted(references, key=lambda reference: reference.category_id):
        features = encoder.encode([reference.image_HW3])
        direction_C = pooled(
            features.compared_BChw[0].float(), encoder.object_cells(reference), pooling
        )
        embedding_D = pooled(
            features.embedding_BDhw[0].float(), encoder.object_cells_of_sam(reference), "mean"
        )
        found = by_category.setdefault(reference.category_id, [])
        found.append((direction_C / direction_C.norm(), embedding_D))
    return [
        Target(
            category_id,
            torch.stack([direction_C for direction_C, _ in found]),
            # Several references are not in the paper's account of prompting; their mean is ours.
            torch.stack([embedding_D for _, embedding_D in found]).mean(dim=0),
        )
        for category_id, found in by_category.items()
    ]


def pooled(features_Chw: Tensor, cells_hw: Tensor, pooling: Pooling) -> Tensor:
    """Return the mean of the cells' features [C] (PerSAM), or its middle with their maximum."""
    features_FC = features_Chw.permute(1, 2, 0)[cells_hw]
    mean_C = features_FC.mean(dim=0)
    if pooling == "mean":
        return mean_C
    return features_FC.amax(dim=0) / 2 + mean_C / 2


def locate(
    encoder: FeatureEncoder,
    features: ImageFeatures,
    targets: Sequence[Target],
    sizes_HW: Sequence[tuple[int, int]],
) -> Iterator[tuple[Located, Tensor]]:
    """Find every target in every image of a batch, with its confidence map at the image's size.

    Several references of a category: the greatest of their maps at every cell (PerSAM supplement,
    section D.3, with the maximum taken before upsampling instead of after it).
    """
    for image, size_HW in enumerate(sizes_HW):
        unit_Chw = features.compared_BChw[image].float()
        unit_Chw = unit_Chw / unit_Chw.norm(dim=0, keepdim=True)
        for category, target in enumerate(targets):
            similarity_RS = target.directions_RC @ unit_Chw.flatten(1)
            similarity_hw = similarity_RS.amax(dim=0).unflatten(0, unit_Chw.shape[1:])
            confidence_HW = at_image_size(similarity_hw, size_HW, encoder.letterboxed)
            yield extremes(image, category, confidence_HW), confidence_HW


def at_image_size(similarity_hw: Tensor, size_HW: tuple[int, int], letterboxed: bool) -> Tensor:
    """Upsample a map over SAM's padded input, or over the stretched image, to [H, W]."""
    if not letterboxed:
        return F.interpolate(similarity_hw[None, None], size_HW, mode="bilinear")[0, 0]
    logits_size = F.interpolate(
        similarity_hw[None, None], scale_factor=LOGITS_STRIDE, mode="bilinear"
    )
    return letterbox_maps(logits_size[0], size_HW)[0]


def attention_guidance(
    confidence_HW: Tensor, sam: PromptedSam, frame: Literal["public_code", "aligned"]
) -> Tensor:
    """Return what target-guided attention adds to each cell [S]: standardised, then a sigmoid.

    "public_code" stretches the image's map over the whole embedding, padding included; "aligned"
    lays it where the image lies, with the map's least value over the padding.
    """
    # A single pixel has no deviation, and a map of one value one of 0: neither guides anywhere.
    deviation = confidence_HW.std() if confidence_HW.numel() > 1 else torch.zeros(())
    standard_HW = ((confidence_HW - confidence_HW.mean()) / deviation).nan_to_num()
    standard_11HW = standard_HW[None, None]
    if frame == "aligned":
        height, width = sam.content_hw((confidence_HW.shape[0], confidence_HW.shape[1]))
        content = F.interpolate(standard_11HW, (height, width), mode="bilinear")
        padding = (0, sam.side_px - width, 0, sam.side_px - height)
        standard_11HW = F.pad(content, padding, value=float(content.min()))
    cells = F.interpolate(standard_11HW, (sam.grid, sam.grid), mode="bilinear")
    return cells.sigmoid().flatten()


def extremes(image: int, category: int, confidence_HW: Tensor) -> Located:
    """Return the greatest and the least pixel of a confidence map [H, W]."""
    height, width = confidence_HW.shape
    greatest_1, place_1 = confidence_HW.flatten().topk(1)
    _, least_1 = confidence_HW.flatten().topk(1, largest=False)
    # Together, since each value read waits for the device; float64 holds all three exactly.
    found = torch.cat([greatest_1.double(), place_1.double(), least_1.double()]).tolist()
    place, least = int(found[1]), int(found[2])
    return Located(
        image,
        category,
        (height, width),
        (place % width, place // width),
        (least % width, least // width),
        found[0],
    )


def point_prompts(
    located: Sequence[Located], sam: PromptedSam, negatives: bool
) -> tuple[Tensor, Tensor]:
    """Return points [P, N, 2] in SAM's input and their labels: the likeliest, the least likely."""
    points = [
        sam.to_input(
            np.array([pair.positive_xy, pair.negative_xy] if negatives else [pair.positive_xy]),
            pair.size_HW,
        )
        for pair in located
    ]
    labels = [1, 0] if negatives else [1]
    return (
        torch.from_numpy(np.stack(points)).to(sam.device),
        torch.tensor([labels] * len(points), device=sam.device),
    )
