"""Whether what a mask covers is of the references' kind, as signals of presence.

Kinds are read of the `lite` trunk's maps. A method that compares images by these reads them there;
for any other an image goes through the trunk as well, where signals are asked for.

A reference's kind is what its object shows in its image, cut out and enlarged, and that with grey
around the object.
Letters beyond those of model/segmenter.py: K directions of `Kinds`, R references, S cells, C here
the job's categories.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from model.checkpoints.load import Loader
from model.masks.extent import extent_of
from model.masks.rasterise import rasterise_all
from model.networks.backbone import Backbone, backbone_maps
from model.networks.lite.kinds import WEIGHTS, Kinds
from model.networks.lite.trunk import GRID, package_file
from model.networks.pixels import letterbox_hw, normalise, squash
from model.segmenter import REFERENCES_PER_STEP, LoadedReference, Prediction, by_category
from schemas.job.networks import Backbone as BackboneSpec

CLOSE_PX = 256
MARGIN = 0.1
"""Of an object's box, on every side of it, when it is cut out."""
GREY, EDGE = 128, 85
"""What is around an object, and the value of a mask, of 255, above which an image is kept."""


def kinds_of_references(
    kinds: Kinds,
    trunk: Backbone,
    images: Sequence[np.ndarray],
    mask_Rhw: Tensor,
    high_RChw: Tensor,
) -> Tensor:
    """Return the kind that each reference's object is of, at length 1: [R, K].

    mask_Rhw are their masks, 0 or 1, none empty, on a grid that divides into the maps' cells.
    """
    h, w = high_RChw.shape[-2:]
    weight_R1hw = F.adaptive_avg_pool2d(mask_Rhw[:, None], (h, w))
    seen_RK = F.normalize((weight_R1hw.flatten(2) @ kinds(high_RChw))[:, 0], dim=1)
    pairs = list(zip(images, mask_Rhw.cpu().numpy(), strict=True))
    cut = (_cut_out(image_HW3, mask_hw) for image_HW3, mask_hw in pairs)
    alone = (_cut_out(_alone(image_HW3, mask_hw), mask_hw) for image_HW3, mask_hw in pairs)
    for objects in (cut, alone):
        close = [squash(one, CLOSE_PX, mask_Rhw.device) for one in objects]
        close_RSK = kinds(trunk(normalise(torch.cat(close))).high_BChw)
        seen_RK = seen_RK + F.normalize(close_RSK.sum(dim=1), dim=1)
    return F.normalize(seen_RK, dim=1)


def _alone(image_HW3: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
    """Return an image that is grey where a mask is not."""
    height, width = image_HW3.shape[:2]
    smooth = Image.fromarray(np.uint8(255 * mask_hw)).resize((width, height))
    return np.where(np.asarray(smooth)[..., None] > EDGE, image_HW3, np.uint8(GREY))


def _cut_out(image_HW3: np.ndarray, mask_hw: np.ndarray) -> np.ndarray:
    height, width = image_HW3.shape[:2]
    h, w = mask_hw.shape
    edges_22 = np.array(extent_of(mask_hw > 0), float).reshape(2, 2) / (w, h)
    margin_xy = MARGIN * (edges_22[1] - edges_22[0])
    low_xy, high_xy = np.clip([edges_22[0] - margin_xy, edges_22[1] + margin_xy], 0, 1)
    left, top = np.floor(low_xy * (width, height)).astype(int)
    right, bottom = np.ceil(high_xy * (width, height)).astype(int)
    return np.ascontiguousarray(image_HW3[top:bottom, left:right])


class KindSignals:
    """Adds to what is predicted of images how much it is of each category's kind."""

    def __init__(self, kinds: Kinds, by_category: dict[int, Tensor]) -> None:
        self._kinds = kinds
        self._place = {category_id: place for place, category_id in enumerate(by_category)}
        mean_CK = torch.stack([kind_RK.mean(dim=0) for kind_RK in by_category.values()])
        self._kind_CK = F.normalize(mean_CK, dim=1)
        self._near_C, self._spread_C = kinds.nearest_known(self._kind_CK)

    def add(
        self,
        high_BChw: Tensor,
        images: Sequence[np.ndarray],
        predictions: Sequence[tuple[Prediction, ...]],
    ) -> list[tuple[Prediction, ...]]:
        """Return the predictions, one a category of every image, with their signals."""
        return [
            self._of_image(unit_SK, (image.shape[0], image.shape[1]), found)
            for unit_SK, image, found in zip(
                self._kinds(high_BChw), images, predictions, strict=True
            )
        ]

    def _of_image(
        self, unit_SK: Tensor, size_HW: tuple[int, int], found: tuple[Prediction, ...]
    ) -> tuple[Prediction, ...]:
        side = int(len(unit_SK) ** 0.5)
        logits_Chw = torch.stack([content_of(one, size_HW) for one in found])
        share_CS = F.adaptive_avg_pool2d(logits_Chw.float().sigmoid(), side).flatten(1)
        # Nothing is under an empty mask: then what is anywhere.
        empty_C1 = share_CS.amax(dim=1, keepdim=True) <= 0
        share_CS = torch.where(empty_C1, torch.ones_like(share_CS), share_CS)
        places = [self._place[one.category_id] for one in found]
        kind_CK, near_C, spread_C = (
            torch.stack([known[place] for place in places])
            for known in (self._kind_CK, self._near_C, self._spread_C)
        )
        under_CK = F.normalize(share_CS.to(unit_SK.device) @ unit_SK, dim=1)
        peak_C = (unit_SK @ kind_CK.T).amax(dim=0)
        under_CC = under_CK @ kind_CK.T
        own_C = under_CC.diagonal()
        others_C = under_CC.masked_fill(torch.eye(len(found), device=own_C.device) > 0, -1)
        alone = len(found) == 1
        mask_near_C, mask_spread_C = self._kinds.nearest_known(under_CK)
        signals = {
            "kind": own_C,
            "kind_peak": peak_C,
            "kind_overall": F.normalize(unit_SK.sum(dim=0), dim=0) @ kind_CK.T,
            "kind_rivalry": own_C - (own_C if alone else others_C.amax(dim=1)),
            "kind_peak_rivalry": peak_C - _best_other(peak_C),
            "kind_spread": spread_C,
            "kind_of_known": (own_C - near_C) / spread_C,
            "kind_of_known_mask": (own_C - mask_near_C) / mask_spread_C,
            "kind_peak_of_known": (peak_C - near_C) / spread_C,
        }
        numbers = torch.stack(list(signals.values()), dim=1).cpu().tolist()
        return tuple(
            replace(one, signals={**(one.signals or {}), **dict(zip(signals, own, strict=True))})
            for one, own in zip(found, numbers, strict=True)
        )


def _best_other(values_C: Tensor) -> Tensor:
    """Return of each the greatest of the others; of a lone one itself."""
    if len(values_C) == 1:
        return values_C
    first, second = values_C.topk(2).values
    return torch.where(values_C == first, second, first)


def content_of(prediction: Prediction, size_HW: tuple[int, int]) -> Tensor:
    """Return a mask's logits without what was padded around an image of that size."""
    logits_hw = torch.from_numpy(prediction.logits_hw)
    if prediction.frame == "squash":
        return logits_hw
    height, width = letterbox_hw(size_HW, len(logits_hw))
    return logits_hw[:height, :width]


@dataclass(frozen=True)
class KindNetworks:
    """The trunk, and what reads kinds of its maps; in eval mode."""

    trunk: Backbone
    kinds: Kinds

    @torch.inference_mode()
    def study(self, references: Sequence[LoadedReference]) -> KindSignals:
        """Learn of which kind each category's references are."""
        kinds = {c: self._kinds_of(own) for c, own in by_category(references).items()}
        return KindSignals(self.kinds, kinds)

    def _kinds_of(self, references: Sequence[LoadedReference]) -> Tensor:
        steps = range(0, len(references), REFERENCES_PER_STEP)
        return torch.cat([self._step(references[s : s + REFERENCES_PER_STEP]) for s in steps])

    def _step(self, references: Sequence[LoadedReference]) -> Tensor:
        images = [reference.image_HW3 for reference in references]
        high_RChw = backbone_maps(self.trunk, images).high_BChw
        masks = torch.from_numpy(rasterise_all(references, (GRID, GRID)))
        mask_Rhw = masks.to(high_RChw.device, torch.float32)
        return kinds_of_references(self.kinds, self.trunk, images, mask_Rhw, high_RChw)


LoadKinds = Callable[[], KindNetworks]


def kinds_by(loader: Loader) -> LoadKinds:
    """Return what loads the networks when they are first asked for."""

    @cache
    def load() -> KindNetworks:
        spec = BackboneSpec(type="efficientnet_lite2", weights=package_file())
        return KindNetworks(loader.backbone(spec), loader.trained(Kinds, str(WEIGHTS)).eval())

    return load
