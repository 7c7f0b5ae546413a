"""PerSAM-F as a segmenter: two numbers, learned from the references, mix SAM's three mask scales.

Zhang et al. 2024; everything else is frozen. One training per category, from its references.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.masks.letterbox import letterbox_maps
from model.masks.rasterise import rasterise
from model.methods.cascade import Masked, refine_in_box
from model.methods.evidence import gather_evidence
from model.methods.features import FeatureEncoder
from model.methods.location import Located, Target, locate, point_prompts, study
from model.methods.mask_weights import Recipe, Scales, cached_mask_weights
from model.methods.prompted_sam import PromptedNetworks, PromptedSam, Prompts, box_of, in_batches
from model.methods.search import Search, find_objects, nothing_of
from model.segmenter import PLAIN, LoadedReference, Prediction, StudyOptions
from schemas.job.method import PersamF, presence_threshold
from schemas.job.reference import Box


class PersamFSegmenter:
    """A `Segmenter` for method `persam_f`; what it learns is kept in the options' cache."""

    @torch.no_grad()
    def __init__(
        self,
        networks: PromptedNetworks,
        references: Sequence[LoadedReference],
        method: PersamF,
        options: StudyOptions = PLAIN,
    ) -> None:
        self._sam = PromptedSam(networks.sam, method.sam_input)
        self._encoder = FeatureEncoder(self._sam, networks.backbone)
        targets = study(self._encoder, references, "mean_and_max")
        self._search = Search(
            self._sam,
            self._encoder,
            targets,
            presence_threshold(method),
            options.most_objects,
            gather_evidence(options, self._encoder, references, networks.kinds),
        )
        recipe = Recipe(method.epochs, method.learning_rate)
        self.mask_weights_K3 = torch.stack(
            [
                cached_mask_weights(scales, recipe, options.cache)
                if (scales := self._scales(target, references))
                else torch.full((3,), 1 / 3, device=self._sam.device)
                for target in targets
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

        def find(
            images: Sequence[np.ndarray], stored: Sequence[Tensor | None]
        ) -> list[tuple[Prediction, ...]]:
            return find_objects(self._search, images, stored, nothing_of, self._masks)

        return in_batches(find, self._sam.device, images, embeddings)

    def _masks(
        self, present: Sequence[Located], embedding_BDhw: Tensor, _: Sequence[Tensor]
    ) -> Masked:
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
        """Decode those of the target's references that say how large it is, by a mask or a box.

        Each from its own likeliest point. Points and scribbles are a few pixels of the object: as
        its truth they would teach the smallest scale, whichever is right.
        """
        scales = []
        for reference in references:
            whole = reference.shows_whole or isinstance(reference.annotation, Box)
            if not whole or reference.category_id != target.category_id:
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
