"""What kind of thing cells show: what the trunk knows of ImageNet's classes, without naming them.

The published network goes on after its maps, to 1280 channels and the logits of 1000 classes.
Cosines of these logits, less their mean over photos, tell kinds of things apart that the maps do
not: also kinds that are no class of ImageNet's, for nothing here names one. Kept are the greatest
principal directions of the classifier. `pipeline/lite/kinds.py` makes the weights.

Letters: B images, S cells, K directions, N known objects.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.networks.lite.trunk import COARSE

CHANNELS = 1280
DIRECTIONS = 256
KNOWN = 1280
"""Objects of photos, for comparison: how alike things are that are not the same."""

NEAREST = 100
"""Of the known objects: those most like something say how much its likeness means."""

WEIGHTS = Path(__file__).parents[2] / "weights" / "lite-kinds.safetensors"


class Kinds(nn.Module):
    """Maps become unit vectors, one a cell, whose cosine says whether two show the same kind."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(COARSE, CHANNELS, 1)
        self.project = nn.Linear(CHANNELS, DIRECTIONS)
        self.known_NK: Tensor
        self.register_buffer("known_NK", torch.zeros(KNOWN, DIRECTIONS))

    def forward(self, high_BChw: Tensor) -> Tensor:
        """Return the cells of the trunk's deep maps, smoothed by 3 x 3, at length 1: [B, S, K]."""
        return F.normalize(self.project(self.channels(high_BChw)), dim=2)

    def channels(self, high_BChw: Tensor) -> Tensor:
        """Return the cells as the classifier reads them, but smoothed: [B, S, CHANNELS]."""
        seen_BChw = F.relu6(self.head(high_BChw[:, -COARSE:]))
        smooth_BChw = F.avg_pool2d(seen_BChw, 3, stride=1, padding=1, count_include_pad=False)
        return smooth_BChw.flatten(2).transpose(1, 2)

    def nearest_known(self, unit_XK: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and deviation of the cosines to the nearest known objects, [X] each."""
        cosine_XN = (unit_XK @ self.known_NK.T).topk(NEAREST, dim=1).values
        return cosine_XN.mean(dim=1), cosine_XN.std(dim=1)
