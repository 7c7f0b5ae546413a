"""Published checkpoints, by key names and shapes: each loads whole, and nothing else does."""

import re
from pathlib import Path
from typing import cast, get_args

import pytest
import torch
from torch import Tensor, nn

from model.checkpoints.identify import identify
from model.checkpoints.layouts import backbone_state, sam_state
from model.checkpoints.state_dict import check_fit, load_into, read_state_dict
from model.networks.backbone import build_backbone
from model.networks.sam import build_sam
from schemas.errors import BadWeights
from schemas.names import BackboneType, SamType
from tests.made.networks.published import PUBLISHED, numbered, write_torch

FILES: dict[str, SamType | BackboneType] = {
    "mobile_sam": "vit_t",
    "sam_vit_b_01ec64": "vit_b",
    "sam_vit_l_0b3195": "vit_l",
    "sam_vit_h_4b8939": "vit_h",
    "resnet50-0676ba61": "resnet50",
    "resnet50_v2": "resnet50s",
    "vgg16_bn-6c64b313": "vgg16_bn",
    "dinov2_vitb14_pretrain": "dinov2_vitb14",
    "dinov2_vitl14_pretrain": "dinov2_vitl14",
    "dinov3_vitb16_pretrain": "dinov3_vitb16",
}
# One tensor of each from the middle of the network, as the file and as the network name it.
MIDDLE = {
    "mobile_sam": (
        "image_encoder.layers.1.downsample.conv2.c.weight",
        "image_encoder.stages.2.downsample.conv2.conv.weight",
    ),
    "sam_vit_b_01ec64": "image_encoder.blocks.8.attn.rel_pos_h",
    "sam_vit_l_0b3195": "image_encoder.blocks.23.mlp.lin1.weight",
    "sam_vit_h_4b8939": "mask_decoder.iou_prediction_head.layers.2.weight",
    "resnet50-0676ba61": "layer3.5.conv2.weight",
    "resnet50_v2": ("conv2.weight", "conv1.3.weight"),
    "vgg16_bn-6c64b313": ("features.24.weight", "features_24.weight"),
    "dinov2_vitb14_pretrain": "blocks.5.ls1.gamma",
    "dinov2_vitl14_pretrain": "pos_embed",
    "dinov3_vitb16_pretrain": ("storage_tokens", "reg_token"),
}


def published(name: str) -> dict[str, Tensor]:
    state = numbered(PUBLISHED[name])
    if FILES[name] == "dinov3_vitb16":
        state |= {key: torch.zeros(()).expand(state[key].shape) for key in qkv_biases(state)}
    return state


def qkv_biases(state: dict[str, Tensor]) -> list[str]:
    return [key for key in state if key.endswith("qkv.bias")]


def network(name: str) -> nn.Module:
    built_for = FILES[name]
    with torch.device("meta"):
        if built_for in get_args(SamType):
            return build_sam(cast(SamType, built_for))
        return cast(nn.Module, build_backbone(cast(BackboneType, built_for)).net)


def renamed(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    built_for = FILES[name]
    if built_for in get_args(SamType):
        return sam_state(cast(SamType, built_for), state)
    return backbone_state(cast(BackboneType, built_for), state)


def middle(name: str) -> tuple[str, str]:
    """The tensor's name in the file and in the network."""
    both = MIDDLE[name]
    return (both, both) if isinstance(both, str) else both


def refusal(name: str, state: dict[str, Tensor]) -> BadWeights:
    with pytest.raises(BadWeights) as caught:
        check_fit(renamed(name, state), network(name), f"{name}.pth")
    assert caught.value.where == f"{name}.pth"
    assert re.fullmatch(r"the \d+ tensors of \w+", caught.value.wanted)
    return caught.value


@pytest.mark.parametrize("name", FILES)
def test_a_published_file_fits_its_network(name: str) -> None:
    check_fit(renamed(name, published(name)), network(name), name)


@pytest.mark.parametrize("name", FILES)
def test_one_missing_tensor_is_named(name: str) -> None:
    in_file, in_network = middle(name)
    state = published(name)
    del state[in_file]
    assert refusal(name, state).got == f"1 missing: {in_network}"


@pytest.mark.parametrize("name", FILES)
def test_one_tensor_too_many_is_named(name: str) -> None:
    state = {**published(name), "blocks.99.weight": torch.zeros(2)}
    assert refusal(name, state).got == "1 unexpected: blocks.99.weight"


@pytest.mark.parametrize("name", FILES)
def test_one_misshapen_tensor_is_named_with_both_shapes(name: str) -> None:
    in_file, in_network = middle(name)
    state = published(name)
    shape = tuple(state[in_file].shape)
    state[in_file] = torch.zeros(*shape, 2)
    wanted = f"1 misshapen: {in_network} {(*shape, 2)}, wanted {shape}"
    assert refusal(name, state).got == wanted


# The larger ones would take 0.8 to 2.6 GB here, and differ in nothing but size.
@pytest.mark.parametrize("name", [name for name in FILES if not re.search("vit_?[lh]", name)])
def test_every_tensor_of_a_file_arrives_under_its_name(tmp_path: Path, name: str) -> None:
    path = write_torch(tmp_path / f"{name}.pth", published(name))
    built = network(name).to_empty(device="cpu")
    state = renamed(name, read_state_dict(path))
    load_into(state, built, name)
    in_file, in_network = middle(name)
    assert (built.state_dict()[in_network] == published(name)[in_file]).all()
    assert all((built.state_dict()[key] == value).all() for key, value in state.items())


@pytest.mark.parametrize(
    ("name", "kind"), [("sam_vit_h_4b8939", "sam"), ("resnet50_v2", "backbone")]
)
def test_a_file_is_told_from_all_others(tmp_path: Path, name: str, kind: str) -> None:
    found = identify(write_torch(tmp_path / "some.pth", published(name)))
    assert (found.kind, found.types) == (kind, (FILES[name],))


def test_a_file_that_fits_nothing_is_told_what_is_nearest(tmp_path: Path) -> None:
    state = published("sam_vit_b_01ec64")
    del state["mask_decoder.iou_token.weight"]
    with pytest.raises(BadWeights) as caught:
        identify(write_torch(tmp_path / "some.pth", state))
    assert caught.value.got == "1 missing: mask_decoder.iou_token.weight"
    assert "vit_b is nearest" in caught.value.wanted


def test_a_resnet_of_before_pytorch_1_6_loads_from_a_training_checkpoint(tmp_path: Path) -> None:
    # As semseg wrote them: no zip archive, DataParallel's prefix, a wrapper, no batch counters.
    state = {
        f"module.{key}": value
        for key, value in published("resnet50_v2").items()
        if not key.endswith("num_batches_tracked")
    }
    checkpoint = {"epoch": 90, "state_dict": state}
    path = write_torch(tmp_path / "resnet50_v2.pth", checkpoint, legacy=True)
    built = network("resnet50_v2").to_empty(device="cpu")
    load_into(backbone_state("resnet50s", read_state_dict(path)), built, "here")
    assert (built.state_dict()["bn1.weight"] == state["module.bn3.weight"]).all()


def test_attention_biases_that_would_be_dropped_are_refused_unless_they_are_zero() -> None:
    state = numbered(PUBLISHED["dinov3_vitb16_pretrain"])
    biases = qkv_biases(state)
    assert refusal("dinov3_vitb16_pretrain", state).got.startswith(
        f"{len(biases)} unexpected: {biases[0]}"
    )
