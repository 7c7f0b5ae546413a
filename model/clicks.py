"""Clicks and a box on an image become SAM's mask of what is meant: embedded once, asked often.

Letters as in model/methods/prompted_sam.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.checkpoints.load import Loader
from model.masks.upsample import mask_at
from model.methods.prompted_sam import PromptedSam, Prompts
from model.networks.lite.edges import along_edges
from model.networks.lite.trunk import INPUT_PX, halved
from model.networks.pixels import normalise, squash
from model.segmenter import Prediction
from schemas.job.networks import Sam

Point = tuple[float, float]


@dataclass(frozen=True)
class Embedded:
    """An image as SAM's decoder wants it, and its size as displayed; `lite`'s pixels."""

    embedding_1Dhw: Tensor
    size_HW: tuple[int, int]
    pixels_13HW: Tensor | None


class ClickedSam:
    """Holds SAM in float32; weights are a local path or `random[:SEED]`. Raises BadWeights."""

    def __init__(self, sam: Sam, device: str) -> None:
        # SAM's own way of scaling an image; `lite` was trained on stretched ones.
        self._is_lite = sam.type == "lite"
        frame = "resize_once" if self._is_lite else "letterbox"
        self._sam = PromptedSam(Loader(device, "fp32").sam(sam), frame)

    @torch.inference_mode()
    def embed(self, image_HW3: np.ndarray) -> Embedded:
        """Embed a uint8 RGB image: slow, once for each image."""
        height, width, _ = image_HW3.shape
        pixels_13HW = None
        if self._is_lite:
            pixels_13HW = halved(normalise(squash(image_HW3, INPUT_PX, self._sam.device)))
        return Embedded(self._sam.embed([image_HW3]), (height, width), pixels_13HW)

    @torch.inference_mode()
    def mask(
        self,
        image: Embedded,
        points: Sequence[Point],
        on: Sequence[bool],
        box_xyxy: tuple[float, float, float, float] | None = None,
    ) -> np.ndarray:
        """Return the mask, bool [H, W], of points on and off the object and a box around it.

        Coordinates are pixels of the image. There is a point or a box. A single point may mean a
        part or the whole: of SAM's three answers the one it is surest of (Kirillov et al. 2023,
        section 3).
        """
        prompts = Prompts(
            points_PN2=self._moved(points, image)[None] if points else None,
            labels_PN=torch.tensor([on], device=self._sam.device).int() if points else None,
            boxes_P4=(
                self._moved([box_xyxy[:2], box_xyxy[2:]], image).reshape(1, 4) if box_xyxy else None
            ),
        )
        logits_1Mhw, scores_1M = self._sam.masks(image.embedding_1Dhw, [0], prompts)
        alone = len(points) == 1 and box_xyxy is None
        chosen = 1 + int(scores_1M[0, 1:].argmax()) if alone else 0
        logits_1hw = logits_1Mhw[:, chosen]
        if image.pixels_13HW is not None:
            logits_1hw = along_edges(image.pixels_13HW, logits_1hw)
        logits_hw = logits_1hw[0].cpu().numpy()
        found = Prediction(0, logits_hw, float(scores_1M[0, chosen]), self._sam.frame)
        return mask_at(found, image.size_HW, 0.0)

    def _moved(self, points: Sequence[Point], image: Embedded) -> Tensor:
        moved_N2 = self._sam.to_input(np.array(points), image.size_HW)
        return torch.from_numpy(moved_N2).to(self._sam.device)
