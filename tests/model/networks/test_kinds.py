"""The kinds that come with the package: the published network's own head, and what is alike."""

from typing import Protocol, cast

import timm
import torch
from torch.nn import functional as F

from model.checkpoints.state_dict import load_into, read_state_dict
from model.networks.lite.kinds import DIRECTIONS, KNOWN, WEIGHTS, Kinds
from model.networks.lite.trunk import (
    INPUT_PX,
    NETWORK,
    head_state,
    package_state,
    published_trunk,
    trunk_state,
)
from model.networks.pixels import normalise
from tests.made.pixels.waves import picture


class Classifier(Protocol):
    def forward_features(self, images_B3HW: torch.Tensor) -> torch.Tensor: ...


def published_kinds() -> Kinds:
    kinds = Kinds().eval()
    load_into({k: v.float() for k, v in read_state_dict(WEIGHTS).items()}, kinds, str(WEIGHTS))
    return kinds


def pixels(seed: int) -> torch.Tensor:
    return torch.from_numpy(picture(seed, INPUT_PX, INPUT_PX)).permute(2, 0, 1)[None].float()


@torch.inference_mode()
def test_its_channels_are_the_published_networks_own() -> None:
    whole = timm.create_model(NETWORK, output_stride=16).eval()
    whole.load_state_dict(trunk_state(package_state()) | head_state(package_state()))
    image = pixels(3)
    seen = cast("Classifier", whole).forward_features((image - 127) / 128)
    wanted = F.avg_pool2d(seen, 3, 1, 1, count_include_pad=False)
    maps = published_trunk()(normalise(image))
    found = published_kinds().channels(maps.high_BChw)
    # The file's numbers are of 11 bits.
    torch.testing.assert_close(found, wanted.flatten(2).transpose(1, 2), rtol=0, atol=0.05)


@torch.inference_mode()
def test_cells_and_known_objects_have_length_1_and_a_known_object_is_nearer_than_most() -> None:
    kinds, trunk = published_kinds(), published_trunk()
    cells = kinds(trunk(normalise(pixels(4))).high_BChw)
    assert cells.shape == (1, (INPUT_PX // 16) ** 2, DIRECTIONS)
    torch.testing.assert_close(cells.norm(dim=2), torch.ones(cells.shape[:2]))
    assert kinds.known_NK.shape == (KNOWN, DIRECTIONS)
    near, spread = kinds.nearest_known(kinds.known_NK[:20])
    assert ((near > 0) & (near < 1) & (spread > 0)).all()
