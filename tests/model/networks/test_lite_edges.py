"""The edges of coarse masks: where the picture has one nearby, they move to it."""

import torch
from torch import Tensor

from model.networks.lite.edges import along_edges
from model.networks.lite.trunk import GRID, INPUT_PX

SIDE = INPUT_PX // 2
EDGE = 90
"""Column from which the pictures are bright; the masks are off by six."""


def picture() -> Tensor:
    pixels_13HW = torch.full((1, 3, SIDE, SIDE), -1.0)
    pixels_13HW[..., EDGE:] = 1.0
    noise = torch.rand(pixels_13HW.shape, generator=torch.Generator().manual_seed(0))
    return pixels_13HW + 0.05 * noise


def coarse(column: int) -> Tensor:
    """Logits [1, H, W] on half of the picture's grid, of all that is right of a column."""
    places = torch.arange(2 * GRID) * 2 + 1.0
    return (places - column).clamp(-8, 8).expand(1, 2 * GRID, 2 * GRID) / 2


def test_an_edge_of_the_mask_moves_to_the_edge_of_the_picture() -> None:
    right_of = torch.arange(SIDE) >= EDGE
    for column in (EDGE - 6, EDGE + 6):
        logits_1HW = along_edges(picture(), coarse(column))
        assert logits_1HW.shape == (1, SIDE, SIDE)
        wrong = (logits_1HW[0] > 0) != right_of
        assert wrong.float().mean() < 0.01  # it was 0.03


def test_a_mask_of_a_picture_without_edges_stays_where_it_is() -> None:
    plain_13HW = torch.zeros(1, 3, SIDE, SIDE)
    logits_1HW = along_edges(plain_13HW, coarse(EDGE + 6))
    wrong = (logits_1HW[0] > 0) != (torch.arange(SIDE) >= EDGE + 6)
    assert wrong.float().mean() < 0.015


def test_masks_of_several_images_are_refined_each_by_its_own() -> None:
    images_B3HW = torch.cat([picture(), picture().flip(-1), torch.zeros(1, 3, SIDE, SIDE)])
    masks = [coarse(EDGE + move) for move in (-6, 6)]
    together_PHW = along_edges(images_B3HW, torch.cat(masks * 3))
    for image in range(3):
        for number, mask_1HW in enumerate(masks):
            alone_1HW = along_edges(images_B3HW[image : image + 1], mask_1HW)
            torch.testing.assert_close(together_PHW[2 * image + number], alone_1HW[0])
