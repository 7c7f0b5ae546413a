"""Confidence maps become objects: the likeliest of each category, or several one after the other.

Several are PerSAM's iterative masking with confidence thresholding (Zhang et al. 2024, supplement,
E.5): inside a found mask the map becomes 0, and the search ends when its maximum falls below the
threshold.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from model.masks.letterbox import letterbox_maps
from model.methods.cascade import Masked, predictions
from model.methods.evidence import Gather
from model.methods.features import FeatureEncoder
from model.methods.location import Located, Target, extremes, locate
from model.methods.prompted_sam import PromptedSam, no_mask
from model.segmenter import Prediction

Clue = Callable[[Tensor], Tensor]
"""A confidence map [H, W] to what a method keeps of it: one map is in memory at a time."""

Masks = Callable[[Sequence[Located], Tensor, Sequence[Tensor]], Masked]
"""Pairs with an object, embeddings of their images and clues of their maps to objects' masks."""

Ask = Callable[[Located, Tensor], tuple[Tensor, float] | None]
"""A place and its map to the logits [h, w] and predicted IoU of one object; None: no mask there."""


@dataclass(frozen=True)
class Search:
    """What is looked for, how likely it must be (None: however little), and how many of a kind.

    evidence adds signals of presence to what was found.
    """

    sam: PromptedSam
    encoder: FeatureEncoder
    targets: Sequence[Target]
    threshold: float | None
    most: int
    evidence: Gather


def nothing_of(confidence_HW: Tensor) -> Tensor:
    """Keep nothing of a map: the clue of a method that needs only where its extremes are."""
    return confidence_HW.new_empty(0)


def find_objects(
    search: Search,
    images: Sequence[np.ndarray],
    stored: Sequence[Tensor | None],
    clue: Clue,
    masks: Masks,
) -> list[tuple[Prediction, ...]]:
    """Return one prediction per category and image of a batch, by category id."""
    features = search.encoder.encode(images, stored)
    sizes_HW = [(image.shape[0], image.shape[1]) for image in images]
    maps = locate(search.encoder, features, search.targets, sizes_HW)
    if search.most > 1:
        assert search.threshold is not None, "a job refuses to search without an end"

        def ask(pair: Located, confidence_HW: Tensor) -> tuple[Tensor, float] | None:
            masked = masks([pair], features.embedding_BDhw, [clue(confidence_HW)])
            return (masked.logits_Phw[0], float(masked.score_P[0])) if masked.pairs else None

        found = search_objects(maps, ask, search.sam, search.targets, search.threshold, search.most)
        return search.evidence(features.compared_BChw, images, found)
    located: list[Located] = []
    present: list[Located] = []
    clues: list[Tensor] = []
    for pair, confidence_HW in maps:
        located.append(pair)
        if search.threshold is None or pair.presence >= search.threshold:
            present.append(pair)
            clues.append(clue(confidence_HW))
    masked = masks(present, features.embedding_BDhw, clues) if present else None
    found = predictions(search.sam, located, masked, search.targets)
    return search.evidence(features.compared_BChw, images, found)


def search_objects(
    located: Iterable[tuple[Located, Tensor]],
    ask: Ask,
    sam: PromptedSam,
    targets: Sequence[Target],
    threshold: float,
    most: int,
) -> list[tuple[Prediction, ...]]:
    """Return one prediction per category and image, each with its single objects, at most `most`.

    located are places with their confidence maps [H, W], one map in memory at a time; images
    letterboxed. The prediction's logits are the greatest of its objects', its score and presence
    those of the first one found.
    """
    by_image: dict[int, list[Prediction]] = {}
    for pair, confidence_HW in located:
        category_id = targets[pair.category].category_id
        found = _objects(pair, confidence_HW, ask, threshold, most)
        objects = tuple(
            Prediction(category_id, logits_hw.cpu().numpy(), score, sam.frame, one.presence)
            for one, logits_hw, score in found
        )
        by_image.setdefault(pair.image, []).append(
            united(objects)
            if objects
            else no_mask(category_id, pair.presence, 4 * sam.grid, sam.frame)
        )
    return [tuple(by_image[image]) for image in sorted(by_image)]


def _objects(
    pair: Located, confidence_HW: Tensor, ask: Ask, threshold: float, most: int
) -> list[tuple[Located, Tensor, float]]:
    found: list[tuple[Located, Tensor, float]] = []
    taken_HW = torch.zeros_like(confidence_HW, dtype=torch.bool)
    while len(found) < most and pair.presence >= threshold:
        answer = ask(pair, confidence_HW)
        if answer is None:
            break
        logits_hw, score = answer
        mask_HW = letterbox_maps(logits_hw[None], pair.size_HW)[0] > 0
        # SAM may answer a point with an object it gave before, and would do so for ever.
        if 2 * int((mask_HW & ~taken_HW).sum()) <= int(mask_HW.sum()):
            break
        found.append((pair, logits_hw, score))
        taken_HW |= mask_HW
        confidence_HW = confidence_HW.masked_fill(mask_HW, 0.0)
        pair = extremes(pair.image, pair.category, confidence_HW)
    return found


def united(objects: tuple[Prediction, ...]) -> Prediction:
    """Return the prediction of a category whose objects were found one by one, the first first."""
    logits_hw = np.maximum.reduce([one.logits_hw for one in objects])
    return replace(objects[0], logits_hw=logits_hw, objects=objects)
