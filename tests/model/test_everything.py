"""SAM asked all over an image: which of its masks are parts, at the image's own size."""

import numpy as np
import pytest
import torch

from model.everything import ALIKE, MOST, SURE, Everything, best_masks
from pipeline.scenes.categories import RESERVED
from pipeline.scenes.compose import scene
from tests.made.networks.published_lite import LITE_SAM


def square(left: int, side: int, inside: float = 8.0) -> torch.Tensor:
    logits_HW = torch.full((40, 40), -8.0)
    logits_HW[10 : 10 + side, left : left + side] = inside
    return logits_HW


def best(*logits: torch.Tensor, scores: list[float], least: float = SURE) -> list[int]:
    return best_masks(torch.stack(logits), torch.tensor(scores), least)


def test_the_surest_masks_come_first() -> None:
    assert best(square(0, 10), square(20, 10), scores=[0.9, 0.95]) == [1, 0]


def test_of_masks_that_are_alike_the_surest_stays() -> None:
    assert best(square(0, 10), square(1, 10), square(5, 10), scores=[0.9, 0.95, 0.92]) == [1, 2]


@pytest.mark.parametrize(
    ("logits_HW", "score"),
    [
        (square(0, 10), 0.8),
        (square(0, 10, inside=0.5), 0.95),  # gone at a threshold of 1
        (square(0, 2), 0.95),
        (torch.full((40, 40), 8.0), 0.95),
        (torch.full((40, 40), -8.0), 0.95),
    ],
    ids=["unsure", "unstable", "tiny", "all of the image", "empty"],
)
def test_what_is_no_part_is_left_out(logits_HW: torch.Tensor, score: float) -> None:
    assert best(logits_HW, scores=[score]) == []


def test_objects_of_a_drawn_scene_are_among_its_parts() -> None:
    drawn = scene(3, 2, RESERVED, 256)
    everything = Everything(LITE_SAM, "cpu", "fp32", sure=0.5)
    found = everything.parts(drawn.image_HW3, seed=1)
    assert 0 < len(found) <= MOST
    masks_MS = np.stack([part.mask_HW.ravel() for part in found])
    truth_KS = np.stack([mask_HW.ravel() for _, mask_HW in drawn.instances])
    assert ious(truth_KS, masks_MS).max() > 0.7
    among = ious(masks_MS, masks_MS)
    assert (among[~np.eye(len(found), dtype=bool)] <= ALIKE).all()
    again = everything.parts(drawn.image_HW3, seed=1)
    assert (np.stack([part.mask_HW.ravel() for part in again]) == masks_MS).all()


def ious(one_MS: np.ndarray, other_KS: np.ndarray) -> np.ndarray:
    both_MK = one_MS.astype(float) @ other_KS.T.astype(float)
    return both_MK / (one_MS.sum(1)[:, None] + other_KS.sum(1) - both_MK)
