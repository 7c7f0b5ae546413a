"""A frozen image encoder turns an image into mid-level and high-level maps on one grid.

Mid-level maps are what prompts attend to, the high-level map is what pseudo-masks compare (paper,
appendix A). timm builds every network; one table names its maps.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

import numpy as np
import timm
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from model.networks.compiled import Compiled
from model.networks.feature_maps import BackboneSize, FeatureMaps
from model.networks.lite.trunk import EFFICIENTNET_LITE2, LiteTrunk, build_trunk
from model.networks.pixels import normalise, squash
from schemas.names import BackboneType


def _resnet(network: str) -> BackboneSize:
    # Blocks 3 and 4 (layer2, layer3) and block 5 (layer4), dilated to stride 8: paper, appendix A.
    return BackboneSize(
        network, 512, 8, ("layer2", "layer3"), "layer4", 512 + 1024, 2048, {"output_stride": 8}
    )


BACKBONES: dict[BackboneType, BackboneSize] = {
    "resnet50": _resnet("resnet50"),
    "resnet50s": _resnet("resnet50s"),
    "resnet101s": _resnet("resnet101s"),
    # The maps after pooling: 256 channels at stride 8, resized to the 512 at stride 16.
    "vgg16_bn": BackboneSize(
        "vgg16_bn", 512, 16, ("features_23", "features_33"), "features_42", 256 + 512, 512
    ),
    # 518 = 37 x 14, the grid that DINOv2's position embedding was trained on. The paper does not
    # say which blocks: half and three quarters of the depth, as blocks 3 and 4 are of a ResNet's.
    "dinov2_vitb14": BackboneSize(
        "vit_base_patch14_dinov2", 518, 14, (5, 8), 11, 2 * 768, 768, {"img_size": 518}
    ),
    "dinov2_vitl14": BackboneSize(
        "vit_large_patch14_dinov2", 518, 14, (11, 17), 23, 2 * 1024, 1024, {"img_size": 518}
    ),
    "dinov3_vitb16": BackboneSize(
        "vit_base_patch16_dinov3", 512, 16, (5, 8), 11, 2 * 768, 768, {"img_size": 512}
    ),
    "efficientnet_lite2": EFFICIENTNET_LITE2,
    # A narrow ResNet-10: 0.6 million parameters, about 0.8 GFLOP an image.
    "nano": BackboneSize(
        "resnet10t",
        192,
        8,
        ("layer2", "layer3"),
        "layer4",
        48 + 96,
        160,
        {"output_stride": 8, "channels": (24, 48, 96, 160), "stem_width": 16},
    ),
}


class ConvBackbone(nn.Module):
    """A convolutional network cut into the part up to its second mid-level map, and the rest."""

    def __init__(self, size: BackboneSize) -> None:
        super().__init__()
        self.size = size
        # Indices 2 to 4 of timm's taps: the rest of the network is dropped after the last.
        net = timm.create_model(
            size.network, features_only=True, out_indices=(2, 3, 4), **size.options
        )
        self.net = cast(nn.ModuleDict, net)

    def forward(self, images_B3HW: Tensor, mask_B1hw: Tensor | None = None) -> FeatureMaps:
        """Encode normalised images of `size.input_px`.

        With a mask, the high-level map is computed from the last mid-level map times that mask, as
        the authors' code does for references (`VrpReading.masked_block5`).
        """
        return self._encode(images_B3HW, mask_B1hw)

    @Compiled
    def _encode(self, images_B3HW: Tensor, mask_B1hw: Tensor | None) -> FeatureMaps:
        mid: list[Tensor] = []
        x = images_B3HW
        for name, module in self.net.items():
            x = module(x)
            if name in self.size.mid:
                mid.append(x)
            if name == self.size.mid[1] and mask_B1hw is not None:
                x = x * mask_B1hw
        grid_hw = mid[1].shape[-2:]
        if mid[0].shape[-2:] != grid_hw:
            mid[0] = F.interpolate(mid[0], grid_hw, mode="bilinear", align_corners=True)
        return FeatureMaps(torch.cat(mid, dim=1), x)


class VitBackbone(nn.Module):
    """A vision transformer; its maps are patch tokens of three blocks, layer-normed."""

    def __init__(self, size: BackboneSize) -> None:
        super().__init__()
        self.size = size
        self.net = timm.create_model(size.network, num_classes=0, **size.options)

    def forward(self, images_B3HW: Tensor, mask_B1hw: Tensor | None = None) -> FeatureMaps:
        """Encode normalised images of `size.input_px`; a mask has no meaning here."""
        if mask_B1hw is not None:
            raise ValueError("masked_block5 is defined for convolutional backbones only")
        blocks = [*self.size.mid, self.size.high]
        forward = cast(Callable[..., list[Tensor]], self.net.forward_intermediates)
        first, second, high = forward(
            images_B3HW, indices=blocks, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        return FeatureMaps(torch.cat([first, second], dim=1), high)


def fold_norms(module: nn.Module) -> None:
    """Fold every BatchNorm that follows a convolution into its weights, in place; eval mode only.

    The same function, within float32's rounding; a quarter of a ResNet's operations are gone.
    """
    children = list(module.named_children())
    for (name, first), (after, second) in pairwise(children):
        if (
            isinstance(first, nn.Conv2d)
            and type(second) is nn.BatchNorm2d
            and second.num_features == first.out_channels
        ):
            setattr(module, name, fuse_conv_bn_eval(first, second))
            setattr(module, after, nn.Identity())
    for _, child in children:
        fold_norms(child)


Backbone = ConvBackbone | VitBackbone | LiteTrunk


def build_backbone(backbone_type: BackboneType) -> Backbone:
    """Build a backbone with fresh weights, frozen, in eval mode, on the current default device."""
    if backbone_type == "efficientnet_lite2":
        return build_trunk()
    size = BACKBONES[backbone_type]
    backbone = ConvBackbone(size) if isinstance(size.high, str) else VitBackbone(size)
    return backbone.eval().requires_grad_(False)


def backbone_maps(
    backbone: Backbone,
    images: Sequence[np.ndarray] | Sequence[Tensor],
    mask_B1hw: Tensor | None = None,
) -> FeatureMaps:
    """Encode uint8 RGB images, or uploaded ones, stretched; a mask is `ConvBackbone.forward`'s."""
    return maps_of(backbone, backbone_pixels(backbone, images), mask_B1hw)


def backbone_pixels(backbone: Backbone, images: Sequence[np.ndarray | Tensor]) -> Tensor:
    """Stretch images to a backbone's input on its device: [B, 3, side, side], for `maps_of`."""
    device = next(backbone.parameters()).device
    return torch.cat([squash(image, backbone.size.input_px, device) for image in images])


def maps_of(
    backbone: Backbone, pixels_B3HW: Tensor, mask_B1hw: Tensor | None = None
) -> FeatureMaps:
    """Return the maps of what `backbone_pixels` made."""
    dtype = next(backbone.parameters()).dtype
    return backbone(normalise(pixels_B3HW).to(dtype), mask_B1hw)
