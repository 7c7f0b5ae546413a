"""Backbones: their grids and channels, and the authors' masked block 5."""

import pytest
import torch

from model.networks.backbone import BACKBONES, ConvBackbone, build_backbone, fold_norms
from model.networks.feature_maps import FeatureMaps, mid_on_grid
from schemas.names import BackboneType
from tests.made.pixels.waves import stir


@pytest.mark.parametrize("name", BACKBONES)
def test_maps_have_the_channels_and_the_grid_of_the_table(name: BackboneType) -> None:
    size = BACKBONES[name]
    with torch.device("meta"):
        backbone = build_backbone(name)
        maps = backbone(torch.zeros(1, 3, size.input_px, size.input_px))
    assert mid_on_grid(maps).shape == (1, size.mid_channels, size.grid, size.grid)
    assert maps.high_BChw.shape == (1, size.high_channels, size.grid, size.grid)


def test_backbones_are_frozen() -> None:
    backbone = build_backbone("nano")
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


@torch.no_grad()
def test_block_5_of_a_masked_reference_sees_block_4_inside_the_mask_only() -> None:
    backbone, size = build_backbone("nano"), BACKBONES["nano"]
    assert isinstance(backbone, ConvBackbone)
    images = torch.randn(
        1, 3, size.input_px, size.input_px, generator=torch.Generator().manual_seed(0)
    )
    everywhere = torch.ones(1, 1, size.grid, size.grid)
    plain, full = backbone(images), backbone(images, everywhere)
    nothing = backbone(images, torch.zeros_like(everywhere))
    same(plain, full)
    assert (nothing.mid_BChw == plain.mid_BChw).all()
    block5 = backbone.net["layer4"]
    block4 = plain.mid_BChw[:, -next(block5.parameters()).shape[1] :]
    assert (nothing.high_BChw == block5(torch.zeros_like(block4))).all()


def same(one: FeatureMaps, other: FeatureMaps) -> None:
    assert (one.mid_BChw == other.mid_BChw).all()
    assert (one.high_BChw == other.high_BChw).all()


def test_a_transformer_has_no_block_5_to_mask() -> None:
    with torch.device("meta"):
        backbone = build_backbone("dinov3_vitb16")
        with pytest.raises(ValueError, match="convolutional"):
            backbone(torch.zeros(1, 3, 512, 512), torch.ones(1, 1, 32, 32))


@torch.no_grad()
@pytest.mark.parametrize("backbone_type", ["nano", "vgg16_bn"])
def test_folded_norms_change_no_map_beyond_rounding(backbone_type: BackboneType) -> None:
    backbone = build_backbone(backbone_type)
    stir(backbone, 4)
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before, norms = backbone(images), _norms(backbone)
    fold_norms(backbone)
    after = backbone(images)
    # A deep stem's last convolution stands in a sequence of its own, its norm beside that.
    assert _norms(backbone) <= 1 < norms
    for one, other in ((before.mid_BChw, after.mid_BChw), (before.high_BChw, after.high_BChw)):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5 * float(one.abs().max()))


def _norms(backbone: torch.nn.Module) -> int:
    return sum(type(module) is torch.nn.BatchNorm2d for module in backbone.modules())
