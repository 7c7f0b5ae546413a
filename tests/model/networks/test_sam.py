"""SAM's sizes: the official checkpoints' tensors, and a nano that can be committed."""

import pytest
import torch

from model.networks.sam import SAM_SIZES, build_sam
from schemas.names import SamType


@pytest.mark.parametrize(
    ("sam_type", "tensors", "parameters"),
    [
        ("vit_t", 435, 9_808_452),
        ("vit_b", 314, 93_735_472),
        ("vit_l", 482, 312_342_832),
        ("vit_h", 594, 641_090_608),
    ],
)
def test_the_official_sizes_have_the_official_tensors(
    sam_type: SamType, tensors: int, parameters: int
) -> None:
    with torch.device("meta"):
        sam = build_sam(sam_type)
    state = sam.state_dict()
    assert len([key for key in state if not key.startswith("pixel_")]) == tensors
    assert sum(p.numel() for p in sam.parameters()) == parameters


@pytest.mark.parametrize("sam_type", ["vit_t", "vit_b"])
def test_an_image_becomes_64_by_64_cells(sam_type: SamType) -> None:
    with torch.device("meta"):
        encoder = build_sam(sam_type).image_encoder
        assert encoder(torch.zeros(2, 3, 1024, 1024)).shape == (2, 256, 64, 64)


def test_the_nano_size_is_small_enough_to_commit() -> None:
    with torch.device("meta"):
        sam = build_sam("nano")
    assert SAM_SIZES["nano"].image_px == 256
    assert sum(p.numel() for p in sam.parameters()) * 2 < 16e6  # bytes, in 16 bits
