"""The trunk's maps become SAM's image embedding.

Letters: B images, C channels, D width, h w the grid.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from model.networks.device import fast_layout
from model.networks.feature_maps import FeatureMaps


class NeckBlock(nn.Module):
    """A ConvNeXt block (Liu et al. 2022): 7 x 7 depthwise, layer norm, two 1 x 1, residual.

    A third of the cost of two 3 x 3 convolutions, and sees further. Its depthwise backward pass
    is 15 times slower on a CPU unless maps are channels_last.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x_BDhw: Tensor) -> Tensor:
        """Return maps of the same shape and layout."""
        x_BhwD = self.depthwise(x_BDhw).permute(0, 2, 3, 1)
        return x_BDhw + self.mlp(self.norm(x_BhwD)).permute(0, 3, 1, 2)


class LiteNeck(nn.Module):
    """A 1 x 1 convolution a depth, summed on the fine grid; blocks; a norm, as in SAM's neck."""

    def __init__(self, channels: tuple[int, int], width: int, blocks: int = 3) -> None:
        super().__init__()
        self.mid = nn.Conv2d(channels[0], width, 1)
        self.high = nn.Conv2d(channels[1], width, 1)
        self.blocks = nn.Sequential(*(NeckBlock(width, 2 * width) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)

    def forward(self, maps: FeatureMaps) -> Tensor:
        """Return the image embedding [B, D, h, w] on the grid of the mid-level map."""
        grid_hw = maps.mid_BChw.shape[-2:]
        high_BDhw = F.interpolate(
            self.high(maps.high_BChw), grid_hw, mode="bilinear", align_corners=False
        )
        x_BDhw = fast_layout(self.mid(maps.mid_BChw) + high_BDhw)
        x_BDhw = self.blocks(x_BDhw)
        return self.norm(x_BDhw.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
