"""Clicks and a box on an image become SAM's mask of what is meant: embedded once, asked often.

Letters as in model/methods/prompted_sam.py.
"""

from collections.abc import Callable, Sequence
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
    """An image's size as displayed, and what answers clicks on it by logits [1, h, w]."""

    size_HW: tuple[int, int]
    ask: Callable[[Clicks], Tensor]


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
        return Embedded((height, width), self._asker(image_HW3))

    def _asker(self, image_HW3: np.ndarray) -> Callable[[Clicks], Tensor]:
        if self._vrp is not None:
            return CloserLook(self._sam.sam, self._vrp, image_HW3).ask
        if not self._is_lite:
            return MendingSam(self._sam, self._sam.embed([image_HW3])).ask
        maps = trunk_of(self._sam.sam)(normalise(squash(image_HW3, INPUT_PX, self._sam.device)))
        pixels_13HW = maps.pixels_B3HW
        assert pixels_13HW is not None, "the trunk gives pixels with its maps"
        embedding_1Dhw = self._sam.embed([image_HW3], maps=maps)
        return lambda clicks: along_edges(pixels_13HW, ask_once(self._sam, embedding_1Dhw, clicks))

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
        section 3), of `lite`'s their mean. With each further one any other SAM mends the mask that
        it found before.
        """
        points_1N2 = self._moved(points, image)[None] if points else None
        labels_1N = torch.tensor([on], device=self._sam.device).int() if points else None
        corners = [box_xyxy[:2], box_xyxy[2:]] if box_xyxy else None
        box_14 = self._moved(corners, image).reshape(1, 4) if corners else None
        logits_1hw = image.ask(Clicks(points_1N2, labels_1N, box_14))
        unscored = 0.0  # nothing asks for its score
        found = Prediction(0, logits_1hw[0].cpu().numpy(), unscored, self._sam.frame)
        return mask_at(found, image.size_HW, 0.0)

    def _moved(self, points: Sequence[Point], image: Embedded) -> Tensor:
        moved_N2 = self._sam.to_input(np.array(points), image.size_HW)
        return torch.from_numpy(moved_N2).to(self._sam.device)


class MendingSam:
    """SAM on one image, asked by more and more clicks: each mends the mask of those before it.

    So SAM was trained (Kirillov et al. 2023, appendix A). Clicks in a box are asked all at once.
    """

    def __init__(self, sam: PromptedSam, embedding_1Dhw: Tensor) -> None:
        self._sam = sam
        self._embedding_1Dhw = embedding_1Dhw
        self._found: dict[tuple[tuple[float, ...], ...], Tensor] = {}

    def ask(self, clicks: Clicks) -> Tensor:
        """Return logits [1, h, w]; what was asked before is remembered."""
        if clicks.box_14 is not None or clicks.points_1N2 is None:
            return ask_once(self._sam, self._embedding_1Dhw, clicks)
        before_1hw = None
        for some in clicks.in_turn(one_by_one=clicks.points_1N2.shape[1]):
            key = some.numbers()
            if key not in self._found:
                self._found[key] = ask_once(self._sam, self._embedding_1Dhw, some, before_1hw)
            before_1hw = self._found[key]
        assert before_1hw is not None, "there is a point or a box"
        return before_1hw


def ask_once(
    sam: PromptedSam, embedding_1Dhw: Tensor, clicks: Clicks, before_1hw: Tensor | None = None
) -> Tensor:
    """Ask SAM by clicks, and by the mask so far: logits [1, h, w]; by a lone point, its surest."""
    prompts = Prompts(clicks.points_1N2, clicks.labels_1N, clicks.box_14)
    if before_1hw is not None:
        prompts = prompts.with_mask(before_1hw)
    logits_1Mhw, scores_1M = sam.masks(embedding_1Dhw, [0], prompts)
    points = 0 if clicks.labels_1N is None else clicks.labels_1N.shape[1]
    alone = points == 1 and clicks.box_14 is None
    return logits_1Mhw[:, 1 + int(scores_1M[0, 1:].argmax()) if alone else 0]
