"""What clicks ask for, in turn, and what a mask says where it was clicked."""

import torch

from model.networks.lite.clicks import CLEAR, Clicks, as_clicked
from model.networks.lite.trunk import GRID, INPUT_PX

POINTS = torch.tensor([[[4.0, 4.0], [100.0, 200.0], [380.0, 380.0], [8.0, 300.0]]])
LABELS = torch.tensor([[1, 0, 1, 1]])


def counts(clicks: Clicks) -> list[int]:
    turns = [turn.points_1N2 for turn in clicks.in_turn()]
    return [0 if points is None else points.shape[1] for points in turns]


def test_the_last_points_are_answered_one_after_the_other() -> None:
    assert counts(Clicks(POINTS, LABELS)) == [2, 3, 4]
    assert counts(Clicks(POINTS[:, :1], LABELS[:, :1])) == [1]
    assert counts(Clicks(POINTS[:, :2], LABELS[:, :2])) == [1, 2]


def test_a_box_is_answered_before_the_points_in_it() -> None:
    box_14 = torch.tensor([[0.0, 0.0, 50.0, 60.0]])
    assert counts(Clicks(box_14=box_14)) == [0]
    assert counts(Clicks(POINTS[:, :2], LABELS[:, :2], box_14)) == [0, 1, 2]
    assert all(turn.box_14 is box_14 for turn in Clicks(POINTS, LABELS, box_14).in_turn())


def test_cells_around_points_are_those_of_their_label_also_at_the_edge() -> None:
    on_hw = Clicks(POINTS, LABELS).cells(1)[0]
    assert on_hw[:2, :2].all()
    assert on_hw[-2:, -2:].all()
    assert on_hw.sum() == 4 + 4 + 9
    off_hw = Clicks(POINTS, LABELS).cells(0)[0]
    assert off_hw.sum() == 9
    assert off_hw[25, 12]


def test_a_mask_says_what_was_clicked_and_ends_at_its_box() -> None:
    side = 4 * GRID
    box_14 = torch.tensor([[0.0, 0.0, 200.0, INPUT_PX]])
    doubt_1HW = torch.zeros(1, side, side)
    told_1HW = as_clicked(doubt_1HW, Clicks(POINTS, LABELS, box_14))
    assert told_1HW[0, 2, 2] == CLEAR
    assert told_1HW[0, 100, 50] == -CLEAR
    assert (told_1HW[0, :, 101:] <= -CLEAR).all()
    assert (as_clicked(doubt_1HW, Clicks(box_14=box_14))[0, :, :100] == 0).all()
