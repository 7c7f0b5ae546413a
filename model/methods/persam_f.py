"""PerSAM-F as a segmenter: two numbers, learned from the references, mix SAM's three mask scales.

Zhang et al. 2024; everything else is frozen. One training per category, from its references.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from model.masks.rasterise import rasterise
from model.masks.upsample import letterbox_maps
from model.methods.cascade import Masked, predictions, refine_in_box
from model.methods.features import FeatureEncoder
from model.methods.iterative import search_objects
from model.methods.location import Located, Target, locate, point_prompts, study
from model.methods.mask_weights import Recipe, Scales, cached_mask_weights
from model.methods.prompted_sam import PromptedNetworks, PromptedSam, Prompts, box_of, in_batches
from model.segmenter import LoadedReference, Prediction
from schemas.method import PersamF, presence_threshold


class PersamFSegmenter:
    """A `Segmenter` for method `persam_f`; cache is a folder of weights learned before.

    With most_objects above 1 it searches for several of a kind; the method then has a threshold.
    """

    @torch.no_grad()
    def __init__(
        self,
        networks: PromptedNetworks,
        references: Sequence[LoadedReference],
        method: PersamF,
        cache: Path | None,
        most_objects: int = 1,
    ) -> None:
        self._method = method
        self._most_objects = most_objects
        self._sam = PromptedSam(networks.sam, "letterbox")
        self._encoder = FeatureEncoder(networks, self._sam)
        self._targets = study(self._encoder, references, "mean_and_max")
        recipe = Recipe(method.epochs, method.learning_rate)
        self.mask_weights_K3 = torch.stack(
            [
                cached_mask_weights(self._scales(target, references), recipe, cache)
                for target in self._targets
            ]
        )

    @torch.no_grad()
    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        """Segment uint8 RGB images: one prediction per category each, by category id.

        embeddings are SAM's of letterboxed images. presence is the confidence map's maximum; below
        the method's `min_presence`, and where a refinement finds no pixel, there is no mask.
        """
        return in_batches(self._segment, self._sam.device, images, embeddings)

    def _segment(
        self, images: Sequence[np.ndarray], stored: Sequence[Tensor | None]
    ) -> list[tuple[Prediction, ...]]:
        features = self._encoder.encode(images, stored)
        sizes_HW = [(image.shape[0], image.shape[1]) for image in images]
        threshold = presence_threshold(self._method)
        pairs = locate(self._encoder, features, self._targets, sizes_HW)
        if self._most_objects > 1:
            assert threshold is not None, "a job refuses to search without an end"

            def ask(pair: Located, _: Tensor) -> tuple[Tensor, float] | None:
                masked = self._masks([pair], features.embedding_BDhw)
                return (masked.logits_Phw[0], float(masked.score_P[0])) if masked.pairs else None

            most = self._most_objects
            return search_objects(pairs, ask, self._sam, self._targets, threshold, most)
        located = [pair for pair, _ in pairs]
        present = [pair for pair in located if threshold is None or pair.presence >= threshold]
        if not present:
            return predictions(self._sam, located, None, self._targets)
        masked = self._masks(present, features.embedding_BDhw)
        return predictions(self._sam, located, masked, self._targets)

    def _masks(self, present: Sequence[Located], embedding_BDhw: Tensor) -> Masked:
        masked, boxes = self._first_masks(present, embedding_BDhw)
        masked = refine_in_box(self._sam, masked, boxes)
        return refine_in_box(self._sam, masked) if masked.pairs else masked

    def _first_masks(
        self, present: Sequence[Located], embedding_BDhw: Tensor
    ) -> tuple[Masked, list[np.ndarray | None]]:
        """Mix the three scales at low resolution, and find the box of their mix at the image's."""
        prompts = Prompts(*point_prompts(present, self._sam, negatives=False))
        images = [pair.image for pair in present]
        logits_PMhw, score_PM = self._sam.masks(embedding_BDhw, images, prompts)
        weights_P311 = self.mask_weights_K3[[pair.category for pair in present]][..., None, None]
        boxes = [
            box_of((letterbox_maps(logits_Mhw[1:], pair.size_HW) * weights_311).sum(dim=0) > 0)
            for pair, logits_Mhw, weights_311 in zip(
                present, logits_PMhw, weights_P311, strict=True
            )
        ]
        mixed_Phw = (logits_PMhw[:, 1:] * weights_P311).sum(dim=1)
        return Masked(tuple(present), embedding_BDhw, prompts, mixed_Phw, score_PM[:, 0]), boxes

    def _scales(self, target: Target, references: Sequence[LoadedReference]) -> list[Scales]:
        """Decode each of the target's references from its own likeliest point."""
        scales = []
        for reference in references:
            if reference.category_id != target.category_id:
                continue
            size_HW = (reference.image_HW3.shape[0], reference.image_HW3.shape[1])
            features = self._encoder.encode([reference.image_HW3])
            pair, _ = next(locate(self._encoder, features, [target], [size_HW]))
            prompts = Prompts(*point_prompts([pair], self._sam, negatives=False))
            logits_PMhw, _ = self._sam.masks(features.embedding_BDhw, [0], prompts)
            truth_HW = torch.from_numpy(rasterise(reference.annotation, size_HW, size_HW))
            scales.append(
                Scales(
                    letterbox_maps(logits_PMhw[0, 1:], size_HW).flatten(1),
                    truth_HW.to(self._sam.device).float().flatten(),
                )
            )
        return scales
