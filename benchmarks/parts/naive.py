"""VRP-SAM without any of this repository's speed: the loop one writes from the paper's figure.

Its networks and weights are the product's. For every category and reference it encodes reference
and target anew, and asks segment_anything's own decoder; SAM's encoder alone runs once an image.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch import Tensor
from torch.nn import functional as F

from model.masks.rasterise import rasterise
from model.methods.vrp import VrpNetworks
from model.networks.attention.flat import use_original
from model.networks.pixels import normalise, squash
from model.networks.sam import dense_position
from model.segmenter import LoadedReference

CPU = torch.device("cpu")


class NaiveVrp:
    """Labels one image at a time; networks compute and lie in memory as their authors' do."""

    def __init__(self, networks: VrpNetworks, references: Sequence[LoadedReference]) -> None:
        use_original(networks.sam.image_encoder)
        networks.backbone.to(memory_format=torch.contiguous_format)
        self._networks = networks
        self._dtype = networks.encoder.queries.dtype
        self._references: dict[int, list[LoadedReference]] = {}
        for reference in references:
            self._references.setdefault(reference.category_id, []).append(reference)

    @torch.inference_mode()
    def embed(self, image_HW3: np.ndarray) -> Tensor:
        """Return SAM's embedding [1, D, h, w]."""
        side_px = self._networks.sam.image_encoder.img_size
        return self._networks.sam.image_encoder(self._input(image_HW3, side_px))

    @torch.inference_mode()
    def label(self, image_HW3: np.ndarray, embedding_1Dhw: Tensor | None = None) -> list[Any]:
        """Return a COCO run-length mask for each category, by category id."""
        if embedding_1Dhw is None:
            embedding_1Dhw = self.embed(image_HW3)
        height, width, _ = image_HW3.shape
        runs = []
        for category_id in sorted(self._references):
            prompts = [self._prompt(image_HW3, one) for one in self._references[category_id]]
            logits_hw = self._decode(embedding_1Dhw, torch.cat(prompts, dim=1))
            logits_HW = F.interpolate(
                logits_hw[None, None].float(), (height, width), mode="bilinear"
            )[0, 0]
            runs.append(coco_mask.encode(np.asfortranarray((logits_HW > 0).numpy(), np.uint8)))
        return runs

    def _prompt(self, image_HW3: np.ndarray, reference: LoadedReference) -> Tensor:
        backbone = self._networks.backbone
        side_px, grid = backbone.size.input_px, backbone.size.grid
        cells_hw = rasterise(reference.annotation, reference.image_HW3.shape[:2], (grid, grid))
        mask_1hw = torch.from_numpy(cells_hw)[None].to(self._dtype)
        target = backbone(self._input(image_HW3, side_px))
        return self._networks.encoder(
            target, backbone(self._input(reference.image_HW3, side_px)), mask_1hw
        )

    def _decode(self, embedding_1Dhw: Tensor, prompts_1ND: Tensor) -> Tensor:
        sam = self._networks.sam
        no_mask = sam.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1).to(self._dtype)
        low_res, _ = sam.mask_decoder(
            image_embeddings=embedding_1Dhw,
            image_pe=dense_position(sam).to(self._dtype),
            sparse_prompt_embeddings=prompts_1ND,
            dense_prompt_embeddings=no_mask.expand_as(embedding_1Dhw),
            multimask_output=False,
        )
        return low_res[0, 0]

    def _input(self, image_HW3: np.ndarray, side_px: int) -> Tensor:
        return normalise(squash(image_HW3, side_px, CPU)).to(self._dtype)
