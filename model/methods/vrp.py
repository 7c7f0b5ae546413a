"""VRP-SAM as a segmenter: references are studied once, then images become masks.

Per image: one SAM encoding and one backbone encoding; per image and reference: prompt tokens; per
image: one decoder call for all categories, a category's references being concatenated prompts
(paper, section 5.4, number of VRPs).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor

from model.checkpoints.load import Loader
from model.checkpoints.state_dict import read_card
from model.masks.rasterise import rasterise_all
from model.methods.evidence import gather_evidence, look, presence
from model.methods.features import FeatureEncoder
from model.methods.kinds import LoadKinds, kinds_by
from model.methods.prompted_sam import PromptedSam, from_presence, in_batches, with_references
from model.networks.backbone import (
    BACKBONES,
    Backbone,
    backbone_maps,
    backbone_pixels,
    maps_of,
)
from model.networks.feature_maps import FeatureMaps
from model.networks.mask_decoder import decode
from model.networks.pixels import upload
from model.networks.replayed import Replayed
from model.networks.routing import Router, Routes
from model.networks.sam import prompt_width
from model.networks.vrp_encoder import StudiedReferences, VrpEncoder
from model.segmenter import (
    PLAIN,
    REFERENCES_PER_STEP,
    LoadedReference,
    Prediction,
    StudyOptions,
)
from schemas.errors import BadWeights
from schemas.job.method import Vrp
from schemas.job.reference import BestReferences, best_of
from schemas.job.weights import random_seed
from schemas.record.card import VrpCard


@dataclass(frozen=True)
class VrpNetworks:
    """The three networks, in eval mode, on one device and in one precision.

    SAM's prompt encoder alone stays in float32 (see `model.networks.sam.dense_position`). Below
    min_presence there is no mask; None: there always is one. best is how many of a category's
    references an image is asked with: see `best_of`. kinds are for signals of presence.
    """

    sam: Sam
    backbone: Backbone
    encoder: VrpEncoder
    min_presence: float | None = None
    best: BestReferences = "all"
    kinds: LoadKinds | None = None


def load_vrp(method: Vrp, loader: Loader) -> VrpNetworks:
    """Load the networks of method `vrp`. Raises BadWeights, of weights for other networks too."""
    sam, backbone = loader.sam(method.sam), loader.backbone(method.backbone)
    least = least_presence(method)
    encoder = loader.trained(partial(build_vrp_encoder, method), method.weights)
    kinds = kinds_by(loader)
    return VrpNetworks(sam, backbone, encoder, least, method.best_references, kinds)


def build_vrp_encoder(method: Vrp) -> VrpEncoder:
    """Build the learnable part of method `vrp` with fresh weights, sized by SAM and backbone."""
    return VrpEncoder(
        BACKBONES[method.backbone.type].mid_channels,
        prompt_width(method.sam.type),
        method.queries,
        method.reading,
        method.query_init,
    ).eval()


def least_presence(method: Vrp) -> float | None:
    """Return the presence below which there is no mask: the method's own, else its card's.

    Raises BadWeights if the card names other networks.
    """
    card = None if random_seed(method.weights) is not None else _fitting_card(method)
    if method.min_presence is None and card is not None:
        return card.min_presence
    return method.min_presence


def _fitting_card(method: Vrp) -> VrpCard | None:
    """Return the encoder's card. Raises BadWeights if it names another SAM, backbone or reading."""
    card = read_card(Path(method.weights))
    if card is None:
        return None
    wanted = {
        "network": "vrp",
        "sam": method.sam.type,
        "backbone": method.backbone.type,
        "reading": method.reading.model_dump(exclude={"align_corners"}),
        "queries": method.queries,
        "query_init": method.query_init,
    }
    # How logits are enlarged changes no weight, and cards of before 2026-11-25 do not say it.
    got = card.model_dump(exclude={"reading": {"align_corners"}})
    differing = [name for name in wanted if got.get(name) != wanted[name]]
    if differing:
        raise BadWeights(
            "VRP weights of another method",
            method.weights,
            ", ".join(f"{name} {got.get(name)}" for name in differing),
            ", ".join(f"{name} {wanted[name]}" for name in differing),
        )
    assert isinstance(card, VrpCard)  # its network is "vrp"
    return card


class VrpSegmenter:
    """A `Segmenter` for method `vrp`."""

    @torch.inference_mode()
    def __init__(
        self,
        networks: VrpNetworks,
        references: Sequence[LoadedReference],
        options: StudyOptions = PLAIN,
    ) -> None:
        self._networks = networks
        sam_input = networks.encoder.reading.sam_input
        self._sam = PromptedSam(networks.sam, sam_input, networks.backbone.size.input_px)
        self._features = FeatureEncoder(self._sam, networks.backbone)
        self._evidence = gather_evidence(options, self._features, references, networks.kinds)
        self._judged = options.evidence
        self._device, self._dtype = self._sam.device, self._sam.dtype
        references = sorted(references, key=lambda reference: reference.category_id)
        self._category_ids = sorted({reference.category_id for reference in references})
        self._studied = self._study(references)
        own = [
            [i for i, reference in enumerate(references) if reference.category_id == category_id]
            for category_id in self._category_ids
        ]
        looks = [look([cells]) for cells in self._studied.foreground_FC]
        self._looks_KC = torch.stack(
            [torch.stack([looks[i] for i in indices]).mean(0) for indices in own]
        )
        ids = [reference.id for reference in references]
        best = [best_of(networks.best, len(indices)) for indices in own]
        self._router = Router(ids, own, torch.stack(looks), best)
        self._reference_KM, self._padding_KN = self._layout(self._router.kept)
        self._answer, self._answer_stored = self._ask, self._ask_embedded
        if not self._router.chooses:  # else an image's references are read, and asked one by one
            self._answer, self._answer_stored = Replayed(self._ask), Replayed(self._ask_embedded)
        without_mask = networks.sam.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1)
        self._no_mask_1D11 = without_mask.to(self._device, self._dtype)

    @torch.inference_mode()
    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        """Segment uint8 RGB images: one prediction per category each, by category id.

        embeddings are SAM's of the images that a store has, made by `model.embed`. presence is the
        cosine of `model.methods.evidence`; below the networks' min_presence there is no mask.
        """
        return in_batches(lambda *one: self._begin(*one)(), self._device, images, embeddings)

    @property
    def begins(self) -> bool:
        """Whether a GPU works for it."""
        return self._device.type == "cuda"

    @torch.inference_mode()
    def begin(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> Callable[[], list[tuple[Prediction, ...]]]:
        """Ask a GPU for what `segment` returns; what this returns waits for it."""
        return self._begin(images, embeddings or [None] * len(images))

    def _begin(
        self, images: Sequence[np.ndarray], stored: Sequence[Tensor | None]
    ) -> Callable[[], list[tuple[Prediction, ...]]]:
        # Once to the device, though SAM and the backbone stretch an image to sizes of their own.
        uploaded = [upload(image, self._device) for image in images]
        read = uploaded if self._sam.frame == "squash" else images
        pixels_B3HW = backbone_pixels(self._networks.backbone, uploaded)
        if all(one is None for one in stored):
            answer = self._answer(self._sam.pixels(read), pixels_B3HW)
        else:
            answer = self._answer_stored(self._sam.embed(read, stored), pixels_B3HW)
        high_BChw, *found = answer
        high_BChw = high_BChw.clone() if self._judged else high_BChw
        # Half the bytes travel, as every bf16 number is a float32, to pinned memory.
        travelling = [one.to("cpu", non_blocking=True) for one in found]
        arrived = torch.cuda.current_stream().record_event() if self.begins else None

        @torch.inference_mode()
        def finish() -> list[tuple[Prediction, ...]]:
            if arrived is not None:
                arrived.synchronize()
            logits_BKhw, score_BK, looks_BK = (one.float() for one in travelling[:3])
            found = [
                tuple(map(self._prediction, self._category_ids, *image))
                for image in zip(
                    logits_BKhw.numpy(), score_BK.tolist(), looks_BK.tolist(), strict=True
                )
            ]
            routes = Routes(*travelling[3:]) if travelling[3:] else None
            found = with_references(found, self._router.behind(routes))
            return self._evidence(high_BChw, images, found)

        return finish

    def _ask(self, sam_input: Tensor, pixels_B3HW: Tensor) -> tuple[Tensor, ...]:
        # SAM's pixels first: of what a GPU is asked they take it longest.
        return self._ask_embedded(self._sam.encode(sam_input), pixels_B3HW)

    def _ask_embedded(self, embedding_BDhw: Tensor, pixels_B3HW: Tensor) -> tuple[Tensor, ...]:
        """Return the high-level map, logits [B, K, h, w], scores and looks [B, K], and `Routes`.

        A GPU's kernels alone, unless references are chosen for each image.
        """
        maps = maps_of(self._networks.backbone, pixels_B3HW).to(self._dtype)
        routes = self._router.routes(maps.high_BChw)
        logits_BKhw, score_BK = decode(
            self._networks.sam.mask_decoder,
            embedding_BDhw + self._no_mask_1D11,
            self._sam.position_1Dhw,
            self._prompt(maps, routes),
            self._padding_KN,
        )
        looks_BK = presence(maps.high_BChw, logits_BKhw, self._looks_KC)
        answer = maps.high_BChw, logits_BKhw, score_BK, looks_BK
        return answer if routes is None else (*answer, routes.chosen_BKM, routes.weight_BKM)

    def _prompt(self, maps: FeatureMaps, routes: Routes | None) -> Tensor:
        """Return the tokens that an image is asked with for each category: [B, K, M * N, D]."""
        encoder = self._networks.encoder
        if routes is None:
            prompts_BRND = encoder.prompt(maps, self._studied)
            return prompts_BRND[:, self._reference_KM].flatten(2, 3)
        prompts_BMND = encoder.prompt_chosen(maps, self._studied, routes.chosen_BKM.flatten(1))
        return prompts_BMND.unflatten(1, routes.chosen_BKM.shape[1:]).flatten(2, 3)

    def _prediction(
        self, category_id: int, logits_hw: np.ndarray, score: float, likeness: float
    ) -> Prediction:
        corners = self._networks.encoder.reading.align_corners
        found = Prediction(category_id, logits_hw, score, "squash", likeness, align_corners=corners)
        return from_presence(found, self._networks.min_presence)

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
        masks = torch.from_numpy(rasterise_all(references, grid_hw))
        mask_Rhw = masks.to(self._device, self._dtype)
        images = [reference.image_HW3 for reference in references]
        block5_mask = mask_Rhw[:, None] if encoder.reading.masked_block5 else None
        maps = backbone_maps(backbone, images, block5_mask).to(self._dtype)
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
