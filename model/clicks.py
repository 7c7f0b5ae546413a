"""Clicks and a box on an image become SAM's mask of what is meant: embedded once, asked often.

Letters as in model/methods/prompted_sam.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from model.checkpoints.load import Loader
from model.masks.upsample import mask_at
from model.methods.prompted_sam import PromptedSam, Prompts
from model.networks.lite.clicks import Clicks
from model.networks.lite.closer import CloserLook
from model.networks.lite.edges import along_edges
from model.networks.lite.sam import LiteVrp, trunk_of
from model.networks.lite.trunk import INPUT_PX
from model.networks.pixels import normalise, squash
from model.segmenter import Prediction
from schemas.job.method import Vrp
from schemas.job.networks import Sam

Point = tuple[float, float]


@dataclass(frozen=True)
class Embedded:
    """An image as SAM's decoder wants it, and its size as displayed.

    Of SAM `lite` also the pixels that masks' edges are drawn by; where its VRP encoder helps, what
    both see.
    """

    embedding_1Dhw: Tensor | None
    size_HW: tuple[int, int]
    pixels_13HW: Tensor | None = None
    helped: CloserLook | None = None


class ClickedSam:
    """Holds SAM in float32; weights are a local path or `random[:SEED]`. Raises BadWeights.

    With SAM `lite` the VRP encoder of its method helps.
    """

    def __init__(self, networks: Sam | Vrp, device: str) -> None:
        loader = Loader(device, "fp32")
        sam = networks.sam if isinstance(networks, Vrp) else networks
        self._is_lite = sam.type == "lite"
        # SAM's own way of scaling an image; `lite` was trained on stretched ones.
        self._sam = PromptedSam(loader.sam(sam), "resize_once" if self._is_lite else "letterbox")
        self._vrp: LiteVrp | None = None
        if isinstance(networks, Vrp) and self._is_lite:
            build = partial(LiteVrp, queries=networks.queries)
            self._vrp = loader.trained(build, networks.weights).eval()

    @torch.inference_mode()
    def embed(self, image_HW3: np.ndarray) -> Embedded:
        """Embed a uint8 RGB image: slow, once for each image."""
        height, width, _ = image_HW3.shape
        if not self._is_lite:
            return Embedded(self._sam.embed([image_HW3]), (height, width))
        if self._vrp is not None:
            helped = CloserLook(self._sam.sam, self._vrp, image_HW3)
            return Embedded(None, (height, width), helped=helped)
        maps = trunk_of(self._sam.sam)(normalise(squash(image_HW3, INPUT_PX, self._sam.device)))
        embedding_1Dhw = self._sam.embed([image_HW3], maps=maps)
        return Embedded(embedding_1Dhw, (height, width), maps.pixels_B3HW)

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
        section 3), of `lite`'s their mean.
        """
        points_1N2 = self._moved(points, image)[None] if points else None
        labels_1N = torch.tensor([on], device=self._sam.device).int() if points else None
        corners = [box_xyxy[:2], box_xyxy[2:]] if box_xyxy else None
        box_14 = self._moved(corners, image).reshape(1, 4) if corners else None
        clicks = Clicks(points_1N2, labels_1N, box_14)
        if image.helped is not None:
            logits_1hw = image.helped.ask(clicks)
        else:
            assert image.embedding_1Dhw is not None, "nothing else is helped"
            prompts = Prompts(points_1N2, labels_1N, box_14)
            logits_1Mhw, scores_1M = self._sam.masks(image.embedding_1Dhw, [0], prompts)
            alone = len(points) == 1 and box_xyxy is None
            chosen = 1 + int(scores_1M[0, 1:].argmax()) if alone else 0
            logits_1hw = logits_1Mhw[:, chosen]
        if image.pixels_13HW is not None:
            logits_1hw = along_edges(image.pixels_13HW, logits_1hw)
        unscored = 0.0  # nothing asks for its score
        found = Prediction(0, logits_1hw[0].cpu().numpy(), unscored, self._sam.frame)
        return mask_at(found, image.size_HW, 0.0)

    def _moved(self, points: Sequence[Point], image: Embedded) -> Tensor:
        moved_N2 = self._sam.to_input(np.array(points), image.size_HW)
        return torch.from_numpy(moved_N2).to(self._sam.device)
