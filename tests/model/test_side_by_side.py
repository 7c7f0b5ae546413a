"""Methods that share networks: the masks of each alone, and each image encoded once."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from model.build import build_segmenter
from model.segmenter import LoadedReference
from model.side_by_side import SideBySide, remember
from schemas.job.method import Method
from tests.made.jobs.evaluation import NANO


class Counting(nn.Module):
    """Doubles its input, and counts how often it was asked."""

    asked = 0

    def forward(self, x_BN: Tensor, mask_BN: Tensor | None = None) -> Tensor:
        self.asked += 1
        return 2 * x_BN if mask_BN is None else 2 * x_BN * mask_BN


def test_an_encoder_is_asked_once_about_each_of_its_last_inputs() -> None:
    encoder = Counting()
    remember(encoder, most=2)
    one, two, three = (torch.full((1, 3), float(number)) for number in (1, 2, 3))
    for asked in (one, two, one, two):
        assert torch.equal(encoder(asked), 2 * asked)
    assert encoder.asked == 2
    assert torch.equal(encoder(one, torch.zeros(1, 3)), torch.zeros(1, 3))
    encoder(three)
    encoder(two)
    assert encoder.asked == 5


def test_an_input_changed_in_place_is_another_input() -> None:
    encoder = Counting()
    remember(encoder, most=2)
    changing = torch.ones(1, 3)
    encoder(changing)
    changing += 1
    assert torch.equal(encoder(changing), torch.full((1, 3), 4.0))


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (40 + 8 * n, 60, 3), dtype=np.uint8) for n in range(2)]


def test_masks_are_those_of_each_method_alone(images: list[np.ndarray]) -> None:
    kind: TypeAdapter[Any] = TypeAdapter(Method)
    methods = {name: kind.validate_python(spec) for name, spec in NANO.items()}
    annotation = np.zeros(images[0].shape[:2], bool)
    annotation[10:30, 20:40] = True
    references = [LoadedReference("r", 1, images[0], annotation)]
    together = SideBySide(methods, "cpu", "fp32", remembered=4)
    for _ in range(2):
        for name, method in methods.items():
            [[shared]] = together.study(name, references).segment([images[1]])
            [[alone]] = build_segmenter(method, references, "cpu", "fp32").segment([images[1]])
            assert np.array_equal(shared.logits_hw, alone.logits_hw)
            assert shared.score == alone.score
