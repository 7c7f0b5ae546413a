"""What a backbone gives, and the numbers that tell one backbone from another."""

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class BackboneSize:
    """Which timm network, and which of its maps. `mid` and `high` are module names or blocks."""

    network: str
    input_px: int
    stride_px: int
    mid: tuple[str, str] | tuple[int, int]
    high: str | int
    mid_channels: int
    high_channels: int
    options: dict[str, Any] = field(default_factory=dict)  # pyright: ignore[reportExplicitAny]

    @property
    def grid(self) -> int:
        """Side of the high-level map, in cells."""
        return self.input_px // self.stride_px


@dataclass(frozen=True)
class FeatureMaps:
    """Maps of B images: the high-level one on the backbone's grid, the mid-level one no coarser.

    pixels are the images themselves, normalised and smaller, where a network looks at them again.
    """

    mid_BChw: Tensor
    high_BChw: Tensor
    pixels_B3HW: Tensor | None = None

    def to(self, dtype: torch.dtype) -> "FeatureMaps":
        """Return the maps in another precision, or as they are."""
        return replace(self, mid_BChw=self.mid_BChw.to(dtype), high_BChw=self.high_BChw.to(dtype))


def mid_on_grid(maps: FeatureMaps) -> Tensor:
    """Return the mid-level map, averaged over the grid of the high-level one where it is finer."""
    height, width = maps.high_BChw.shape[-2:]
    if maps.mid_BChw.shape[-2:] == (height, width):
        return maps.mid_BChw
    return F.adaptive_avg_pool2d(maps.mid_BChw, (height, width))
