"""PerSAM as a segmenter: without any training, one annotated image tells SAM what to look for.

Zhang et al. 2024 ("Personalize Segment Anything Model with One Shot"): target-guided attention,
target-semantic prompting and two cascaded refinements, as in the authors' public code.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from model.methods.cascade import Masked, refine, refine_in_box
from model.methods.evidence import gather_evidence
from model.methods.features import FeatureEncoder
from model.methods.location import Located, attention_guidance, point_prompts, study
from model.methods.prompted_sam import PromptedNetworks, PromptedSam, Prompts, in_batches
from model.methods.search import Search, find_objects
from model.networks.mask_decoder import Guidance
from model.segmenter import PLAIN, LoadedReference, Prediction, StudyOptions
from schemas.job.method import Persam, presence_threshold


class PersamSegmenter:
    """A `Segmenter` for method `persam`."""

    @torch.no_grad()
    def __init__(
        self,
        networks: PromptedNetworks,
        references: Sequence[LoadedReference],
        method: Persam,
        options: StudyOptions = PLAIN,
    ) -> None:
        self._guidance: Literal["public_code", "aligned"] = method.guidance
        self._sam = PromptedSam(networks.sam, method.sam_input)
        encoder = FeatureEncoder(self._sam, networks.backbone)
        self._targets = study(encoder, references, "mean")
        self._search = Search(
            self._sam,
            encoder,
            self._targets,
            presence_threshold(method),
            options.most_objects,
            gather_evidence(options, encoder, references, networks.kinds),
        )

    @torch.no_grad()
    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        """Segment uint8 RGB images: one prediction per category each, by category id.

        embeddings are SAM's of letterboxed images. presence is the confidence map's maximum; below
        the method's `min_presence`, and where a refinement finds no pixel, there is no mask.
        """

        def find(
            images: Sequence[np.ndarray], stored: Sequence[Tensor | None]
        ) -> list[tuple[Prediction, ...]]:
            return find_objects(self._search, images, stored, self._attention, self._masks)

        return in_batches(find, self._sam.device, images, embeddings)

    def _attention(self, confidence_HW: Tensor) -> Tensor:
        return attention_guidance(confidence_HW, self._sam, self._guidance)

    def _masks(
        self, present: Sequence[Located], embedding_BDhw: Tensor, attention: Sequence[Tensor]
    ) -> Masked:
        masked = self._first_masks(present, embedding_BDhw, torch.stack(list(attention)))
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
