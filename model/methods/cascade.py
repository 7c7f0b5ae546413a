"""Masks found from points become better masks: SAM asked again with its own mask and its box.

PerSAM's cascaded post-refinement, over pairs P of an image and a category.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from model.masks.upsample import letterbox_maps
from model.methods.location import Located, Target
from model.methods.prompted_sam import PromptedSam, Prompts, best_of_three, box_of, no_mask
from model.segmenter import Prediction


@dataclass(frozen=True)
class Found:
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


def refine(sam: PromptedSam, found: Found) -> Found:
    """Ask with the mask found so far besides the points, and take the best of three answers."""
    return _asked(sam, found, found.prompts.with_mask(found.logits_Phw))


def refine_in_box(
    sam: PromptedSam, found: Found, boxes: Sequence[np.ndarray | None] | None = None
) -> Found:
    """Ask with the mask and its box besides the points; a pair without a box is dropped.

    boxes are left, top, right, bottom in pixels of the images; left out, those of the masks.
    """
    if boxes is None:
        boxes = [
            box_of(letterbox_maps(logits_hw[None], pair.size_HW)[0] > 0)
            for pair, logits_hw in zip(found.pairs, found.logits_Phw, strict=True)
        ]
    kept = [number for number, box in enumerate(boxes) if box is not None]
    if not kept:
        return replace(found, pairs=(), logits_Phw=found.logits_Phw[:0], score_P=found.score_P[:0])
    found = _only(found, kept)
    corners = [
        sam.to_input(box.reshape(2, 2), pair.size_HW).reshape(4)
        for box, pair in zip((boxes[i] for i in kept), found.pairs, strict=True)
        if box is not None
    ]
    boxes_P4 = torch.from_numpy(np.stack(corners)).to(sam.device)
    return _asked(sam, found, found.prompts.with_mask(found.logits_Phw, boxes_P4))


def predictions(
    sam: PromptedSam, located: Sequence[Located], found: Found | None, targets: Sequence[Target]
) -> list[tuple[Prediction, ...]]:
    """Return one prediction per category and image; no mask where the object was not found.

    found is None where no image shows any of the objects.
    """
    masks: dict[tuple[int, int], tuple[np.ndarray, float]] = {}
    if found is not None:
        made = zip(found.logits_Phw.cpu().numpy(), found.score_P.tolist(), strict=True)
        masks = {(p.image, p.category): mask for p, mask in zip(found.pairs, made, strict=True)}
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


def _asked(sam: PromptedSam, found: Found, prompts: Prompts) -> Found:
    """Return the best of three answers; the points stay what the next question begins with."""
    logits_PMhw, score_PM = sam.masks(found.embedding_BDhw, found.images, prompts)
    logits_Phw, score_P = best_of_three(logits_PMhw, score_PM)
    return replace(found, logits_Phw=logits_Phw, score_P=score_P)


def _only(found: Found, kept: Sequence[int]) -> Found:
    if len(kept) == len(found.pairs):
        return found
    index_P = torch.tensor(kept, device=found.logits_Phw.device)
    points_PN2, labels_PN = found.prompts.points_PN2, found.prompts.labels_PN
    assert points_PN2 is not None
    assert labels_PN is not None
    return Found(
        tuple(found.pairs[i] for i in kept),
        found.embedding_BDhw,
        Prompts(points_PN2[index_P], labels_PN[index_P]),
        found.logits_Phw[index_P],
        found.score_P[index_P],
    )
