"""Drawn pictures become what networks see of them, kept on the learner's device.

A trunk that does not learn sees a picture once: its maps are kept, 0.76 MB in float16. For one that
learns, pixels are kept, and seen again each time.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.networks.feature_maps import FeatureMaps
from model.networks.lite.trunk import COARSE, FINE, GRID, INPUT_PX, MIDDLE, LiteTrunk, joined
from model.networks.pixels import normalise

DEEP = MIDDLE + COARSE


class Store:
    """Pictures by their place in a bank."""

    def __init__(self, trunk: LiteTrunk, room: int, learning: bool, device: torch.device) -> None:
        self._trunk = trunk
        self._learning = learning
        self._device = device
        shapes = [(INPUT_PX, INPUT_PX, 3)] if learning else MAPS
        kind = torch.uint8 if learning else torch.float16
        self._kept = [torch.zeros(room, *shape, dtype=kind, device=device) for shape in shapes]

    def add(self, slots: Sequence[int], images_BHW3: np.ndarray) -> None:
        """Keep uint8 pictures of the trunk's size in their places."""
        if not len(slots):
            return
        images = torch.from_numpy(images_BHW3).to(self._device)
        seen = (images,) if self._learning else encode(self._trunk, images)
        chosen = torch.tensor(slots, device=self._device)
        for kept, value in zip(self._kept, seen, strict=True):
            kept[chosen] = value

    def maps(self, slots: Sequence[int], learns: bool) -> FeatureMaps:
        """Return pictures' maps as the trunk's, float32; with a gradient where the trunk learns."""
        chosen = torch.tensor(slots, device=self._device)
        if not self._learning:
            fine_BhwC, deep_BhwC = (kept[chosen].float() for kept in self._kept)
            return joined(fine_BhwC.permute(0, 3, 1, 2), deep_BhwC.permute(0, 3, 1, 2))
        pixels_B3HW = self._kept[0][chosen].permute(0, 3, 1, 2).float()
        with torch.set_grad_enabled(learns):
            return self._trunk(normalise(pixels_B3HW))


MAPS = ((GRID, GRID, FINE), (GRID // 2, GRID // 2, DEEP))
"""Fine and deep maps, channels last, as the trunk makes them on a CPU."""


@torch.inference_mode()
def encode(trunk: LiteTrunk, images_BHW3: Tensor) -> tuple[Tensor, Tensor]:
    """Run the trunk on uint8 images of its size: fine [B, h, w, C] and deep maps, float16."""
    fine_BChw, deep_BChw = trunk.levels(normalise(images_BHW3.permute(0, 3, 1, 2).float()))
    return fine_BChw.permute(0, 2, 3, 1).half(), deep_BChw.permute(0, 2, 3, 1).half()
