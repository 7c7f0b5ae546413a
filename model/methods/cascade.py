"""Masks found from points become better masks: SAM asked again with its own mask and its box.

PerSAM's cascaded post-refinement, over pairs P of an image and a category.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from model.masks.letterbox import letterbox_maps
from model.methods.location import Located, Target
from model.methods.prompted_sam import PromptedSam, Prompts, best_of_three, box_of, no_mask
from model.segmenter import Prediction


@dataclass(frozen=True)
class Masked:
    """The pairs whose object has a mask so far, what they are asked with, and that mask."""

    pairs: tuple[Located, ...]
    embedding_BDhw: Tensor
    prompts: Prompts
    logits_Phw: Tensor
    score_P: Tensor

    @property
    def images(self) -> list[int]:
        """Which of the B images each pair is about."""
        return [pair.image for pair in self.pairs]


def refine(sam: PromptedSam, masked: Masked) -> Masked:
    """Ask with the mask found so far besides the points, and take the best of three answers."""
    return _asked(sam, masked, masked.prompts.with_mask(masked.logits_Phw))


def refine_in_box(
    sam: PromptedSam, masked: Masked, boxes: Sequence[np.ndarray | None] | None = None
) -> Masked:
    """Ask with the mask and its box besides the points; a pair without a box is dropped.

    boxes are left, top, right, bottom in pixels of the images; left out, those of the masks.
    """
    if boxes is None:
        boxes = [
            box_of(letterbox_maps(logits_hw[None], pair.size_HW)[0] > 0)
            for pair, logits_hw in zip(masked.pairs, masked.logits_Phw, strict=True)
        ]
    kept = [number for number, box in enumerate(boxes) if box is not None]
    if not kept:
        return replace(
            masked, pairs=(), logits_Phw=masked.logits_Phw[:0], score_P=masked.score_P[:0]
        )
    masked = _only(masked, kept)
    corners = [
        sam.to_input(box.reshape(2, 2), pair.size_HW).reshape(4)
        for box, pair in zip((boxes[i] for i in kept), masked.pairs, strict=True)
        if box is not None
    ]
    boxes_P4 = torch.from_numpy(np.stack(corners)).to(sam.device)
    return _asked(sam, masked, masked.prompts.with_mask(masked.logits_Phw, boxes_P4))


def predictions(
    sam: PromptedSam, located: Sequence[Located], masked: Masked | None, targets: Sequence[Target]
) -> list[tuple[Prediction, ...]]:
    """Return one prediction per category and image; no mask where the object was not found.

    masked is None where no image shows any of the objects.
    """
    masks: dict[tuple[int, int], tuple[np.ndarray, float]] = {}
    if masked is not None:
        made = zip(masked.logits_Phw.cpu().numpy(), masked.score_P.tolist(), strict=True)
        masks = {(p.image, p.category): mask for p, mask in zip(masked.pairs, made, strict=True)}
    by_image: dict[int, list[Prediction]] = {}
    for pair in located:
        category_id = targets[pair.category].category_id
        made = masks.get((pair.image, pair.category))
        by_image.setdefault(pair.image, []).append(
            no_mask(category_id, pair.presence, 4 * sam.grid, sam.frame)
            if made is None
            else Prediction(category_id, made[0], made[1], sam.frame, pair.presence)
        )
    return [tuple(by_image[image]) for image in sorted(by_image)]


def _asked(sam: PromptedSam, masked: Masked, prompts: Prompts) -> Masked:
    """Return the best of three answers; the points stay what the next question begins with."""
    logits_PMhw, score_PM = sam.masks(masked.embedding_BDhw, masked.images, prompts)
    logits_Phw, score_P = best_of_three(logits_PMhw, score_PM)
    return replace(masked, logits_Phw=logits_Phw, score_P=score_P)


def _only(masked: Masked, kept: Sequence[int]) -> Masked:
    if len(kept) == len(masked.pairs):
        return masked
    index_P = torch.tensor(kept, device=masked.logits_Phw.device)
    points_PN2, labels_PN = masked.prompts.points_PN2, masked.prompts.labels_PN
    assert points_PN2 is not None
    assert labels_PN is not None
    return Masked(
        tuple(masked.pairs[i] for i in kept),
        masked.embedding_BDhw,
        Prompts(points_PN2[index_P], labels_PN[index_P]),
        masked.logits_Phw[index_P],
        masked.score_P[index_P],
    )
