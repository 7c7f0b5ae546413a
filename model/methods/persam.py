"""PerSAM as a segmenter: without any training, one annotated image tells SAM what to look for.

Zhang et al. 2024 ("Personalize Segment Anything Model with One Shot"): target-guided attention,
target-semantic prompting and two cascaded refinements, as in the authors' public code.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.methods.cascade import Masked, predictions, refine, refine_in_box
from model.methods.features import FeatureEncoder, ImageFeatures
from model.methods.iterative import search_objects
from model.methods.location import Located, attention_guidance, locate, point_prompts, study
from model.methods.prompted_sam import PromptedNetworks, PromptedSam, Prompts, in_batches
from model.networks.mask_decoder import Guidance
from model.segmenter import LoadedReference, Prediction
from schemas.method import Persam, presence_threshold


class PersamSegmenter:
    """A `Segmenter` for method `persam`.

    With most_objects above 1 it searches for several of a kind; the method then has a threshold.
    """

    @torch.no_grad()
    def __init__(
        self,
        networks: PromptedNetworks,
        references: Sequence[LoadedReference],
        method: Persam,
        most_objects: int = 1,
    ) -> None:
        self._method = method
        self._most_objects = most_objects
        self._sam = PromptedSam(networks.sam, "letterbox")
        self._encoder = FeatureEncoder(networks, self._sam)
        self._targets = study(self._encoder, references, "mean")

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
        if self._most_objects > 1:
            return self._search(features, sizes_HW)
        located: list[Located] = []
        attention: list[Tensor] = []
        threshold = presence_threshold(self._method)
        for pair, confidence_HW in locate(self._encoder, features, self._targets, sizes_HW):
            located.append(pair)
            if threshold is None or pair.presence >= threshold:
                frame = self._method.guidance
                attention.append(attention_guidance(confidence_HW, self._sam, frame))
        present = [pair for pair in located if threshold is None or pair.presence >= threshold]
        if not present:
            return predictions(self._sam, located, None, self._targets)
        masked = self._masks(present, features.embedding_BDhw, torch.stack(attention))
        return predictions(self._sam, located, masked, self._targets)

    def _search(
        self, features: ImageFeatures, sizes_HW: Sequence[tuple[int, int]]
    ) -> list[tuple[Prediction, ...]]:
        """Find the objects of each image and category one after the other."""
        threshold = presence_threshold(self._method)
        assert threshold is not None, "a job refuses to search without an end"

        def ask(pair: Located, confidence_HW: Tensor) -> tuple[Tensor, float] | None:
            attention_S = attention_guidance(confidence_HW, self._sam, self._method.guidance)
            masked = self._masks([pair], features.embedding_BDhw, attention_S[None])
            return (masked.logits_Phw[0], float(masked.score_P[0])) if masked.pairs else None

        pairs = locate(self._encoder, features, self._targets, sizes_HW)
        return search_objects(pairs, ask, self._sam, self._targets, threshold, self._most_objects)

    def _masks(
        self, present: Sequence[Located], embedding_BDhw: Tensor, attention_PS: Tensor
    ) -> Masked:
        masked = self._first_masks(present, embedding_BDhw, attention_PS)
        return refine_in_box(self._sam, refine(self._sam, masked))

    def _first_masks(
        self, present: Sequence[Located], embedding_BDhw: Tensor, attention_PS: Tensor
    ) -> Masked:
        target_PD = torch.stack([self._targets[pair.category].embedding_D for pair in present])
        guidance = Guidance(attention_PS.to(self._sam.dtype), target_PD.to(self._sam.dtype))
        prompts = Prompts(*point_prompts(present, self._sam, negatives=True))
        images = [pair.image for pair in present]
        logits_PMhw, score_PM = self._sam.masks(embedding_BDhw, images, prompts, guidance)
        return Masked(tuple(present), embedding_BDhw, prompts, logits_PMhw[:, 0], score_PM[:, 0])
