"""VRP-SAM as a segmenter: references are studied once, then images become masks.

Per image: one SAM encoding and one backbone encoding; per image and reference: prompt tokens; per
image: one decoder call for all categories, a category's references being concatenated prompts
(paper, section 5.4, number of VRPs).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional as F

from model.masks.rasterise import rasterise
from model.methods.presence import look, presence
from model.methods.prompted_sam import no_mask
from model.networks.backbone import Backbone, FeatureMaps
from model.networks.mask_decoder import decode
from model.networks.pixels import normalise, squash
from model.networks.sam import dense_position
from model.networks.vrp_encoder import StudiedReferences, VrpEncoder
from model.segmenter import LoadedReference, Prediction

# Bounds the memory of the reference half; at 80 categories of 5 references it runs 50 times.
REFERENCES_PER_STEP = 8


@dataclass(frozen=True)
class VrpNetworks:
    """The three networks, in eval mode, on one device and in one precision.

    SAM's prompt encoder alone stays in float32 (see `model.networks.sam.dense_position`). Below
    min_presence there is no mask; None: there always is one.
    """

    sam: Sam
    backbone: Backbone
    encoder: VrpEncoder
    min_presence: float | None = None


class VrpSegmenter:
    """A `Segmenter` for method `vrp`."""

    @torch.inference_mode()
    def __init__(self, networks: VrpNetworks, references: Sequence[LoadedReference]) -> None:
        self._networks = networks
        self._device = networks.encoder.queries.device
        self._dtype = networks.encoder.queries.dtype
        references = sorted(references, key=lambda reference: reference.category_id)
        self._category_ids = sorted({reference.category_id for reference in references})
        self._studied = self._study(references)
        own = [
            [i for i, reference in enumerate(references) if reference.category_id == category_id]
            for category_id in self._category_ids
        ]
        self._reference_KM, self._padding_KN = self._layout(own)
        cells = self._studied.foreground_FC
        self._looks_KC = torch.stack([look([cells[i] for i in indices]) for indices in own])
        position = dense_position(networks.sam)
        without_mask = networks.sam.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1)
        self._position_1Dhw = position.to(self._device, self._dtype)
        self._no_mask_1D11 = without_mask.to(self._device, self._dtype)

    @torch.inference_mode()
    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        """Segment uint8 RGB images: one prediction per category each, by category id.

        embeddings are SAM's of the images that a store has, made by `model.embed`. presence is the
        cosine of `model.methods.presence`; below the networks' min_presence there is no mask.
        """
        stored = embeddings if embeddings is not None else [None] * len(images)
        # A CPU gains nothing from a batch, and one image at a time makes masks independent of it
        # to the last bit (matrix products are summed in another order at other sizes).
        step = 1 if self._device.type == "cpu" else max(1, len(images))
        batches = [slice(start, start + step) for start in range(0, len(images), step)]
        return [
            predictions
            for batch in batches
            for predictions in self._segment(images[batch], stored[batch])
        ]

    def _segment(
        self, images: Sequence[np.ndarray], stored: Sequence[Tensor | None]
    ) -> list[tuple[Prediction, ...]]:
        sam, encoder = self._networks.sam, self._networks.encoder
        backbone_B3HW = self._backbone_input(images)
        embedding_BDhw = self._embed(images, stored, backbone_B3HW)
        maps = self._networks.backbone(backbone_B3HW)
        prompts_BRND = encoder.prompt(maps, self._studied)
        prompts_BKND = prompts_BRND[:, self._reference_KM].flatten(2, 3)
        logits_BKhw, score_BK = decode(
            sam.mask_decoder,
            embedding_BDhw + self._no_mask_1D11,
            self._position_1Dhw,
            prompts_BKND,
            self._padding_KN,
        )
        looks_BK = presence(maps.high_BChw, logits_BKhw, self._looks_KC)
        logits, scores = logits_BKhw.float().cpu().numpy(), score_BK.float().cpu().tolist()
        return [
            tuple(map(self._prediction, self._category_ids, *image))
            for image in zip(logits, scores, looks_BK.cpu().tolist(), strict=True)
        ]

    def _prediction(
        self, category_id: int, logits_hw: np.ndarray, score: float, likeness: float
    ) -> Prediction:
        least = self._networks.min_presence
        if least is not None and likeness < least:
            return no_mask(category_id, likeness, len(logits_hw), "squash")
        return Prediction(category_id, logits_hw, score, "squash", likeness)

    def _embed(
        self,
        images: Sequence[np.ndarray],
        stored: Sequence[Tensor | None],
        backbone_B3HW: Tensor,
    ) -> Tensor:
        """Take the embeddings that were stored, and compute the others together."""
        found = {i: e.to(self._device, self._dtype) for i, e in enumerate(stored) if e is not None}
        missing = [i for i in range(len(images)) if i not in found]
        if missing:
            input_B3HW = self._sam_input([images[i] for i in missing], backbone_B3HW[missing])
            computed_BDhw = self._networks.sam.image_encoder(input_B3HW)
            found |= dict(zip(missing, computed_BDhw, strict=True))
        return torch.stack([found[i] for i in range(len(images))])

    def _backbone_input(self, images: Sequence[np.ndarray]) -> Tensor:
        side_px = self._networks.backbone.size.input_px
        pixels = torch.cat([squash(image, side_px, self._device) for image in images])
        return normalise(pixels).to(self._dtype)

    def _sam_input(self, images: Sequence[np.ndarray], backbone_B3HW: Tensor) -> Tensor:
        side_px = self._networks.sam.image_encoder.img_size
        if self._networks.encoder.reading.sam_input == "via_512":
            return F.interpolate(
                backbone_B3HW, (side_px, side_px), mode="bilinear", align_corners=True
            )
        pixels = torch.cat([squash(image, side_px, self._device) for image in images])
        return normalise(pixels).to(self._dtype)

    def _study(self, references: Sequence[LoadedReference]) -> StudiedReferences:
        steps = [
            self._study_step(references[start : start + REFERENCES_PER_STEP])
            for start in range(0, len(references), REFERENCES_PER_STEP)
        ]
        return StudiedReferences(
            torch.cat([step.prototype_RD for step in steps]),
            torch.cat([step.tokens_RND for step in steps]),
            tuple(cells for step in steps for cells in step.foreground_FC),
        )

    def _study_step(self, references: Sequence[LoadedReference]) -> StudiedReferences:
        backbone, encoder = self._networks.backbone, self._networks.encoder
        grid_hw = (backbone.size.grid, backbone.size.grid)
        masks = [
            rasterise(reference.annotation, reference.image_HW3.shape[:2], grid_hw)
            for reference in references
        ]
        mask_Rhw = torch.from_numpy(np.stack(masks)).to(self._device, self._dtype)
        images_R3HW = self._backbone_input([reference.image_HW3 for reference in references])
        block5_mask = mask_Rhw[:, None] if encoder.reading.masked_block5 else None
        maps: FeatureMaps = backbone(images_R3HW, block5_mask)
        return encoder.study(maps, mask_Rhw)

    def _layout(self, own: Sequence[list[int]]) -> tuple[Tensor, Tensor | None]:
        """Return which references each category has, [K, M], and which of their tokens are padding.

        own lists each category's references. Categories with fewer references repeat their first
        one, and its tokens are ignored.
        """
        most = max(len(indices) for indices in own)
        padded = [indices + indices[:1] * (most - len(indices)) for indices in own]
        reference_KM = torch.tensor(padded, device=self._device)
        if all(len(indices) == most for indices in own):
            return reference_KM, None
        count_K1 = torch.tensor([[len(indices)] for indices in own], device=self._device)
        padding_KM = torch.arange(most, device=self._device) >= count_K1
        queries = self._networks.encoder.queries.shape[0]
        return reference_KM, padding_KM.repeat_interleave(queries, dim=1)
