"""Masks grown and shrunk by whole pixels."""

import numpy as np

from model.masks.grow import grown
from tests.made.data.datasets import filled

SIZE = (20, 30)


def test_a_square_grows_and_shrinks_by_its_sides() -> None:
    square = filled((5, 6, 11, 14), SIZE)
    assert (grown(square, 2) == filled((3, 4, 13, 16), SIZE)).all()
    assert (grown(square, -2) == filled((7, 8, 9, 12), SIZE)).all()
    assert (grown(square, 0) == square).all()


def test_the_images_edge_neither_grows_nor_erodes_a_mask() -> None:
    corner = filled((0, 0, 6, 8), SIZE)
    assert (grown(corner, 1) == filled((0, 0, 7, 9), SIZE)).all()
    assert (grown(corner, -1) == filled((0, 0, 5, 7), SIZE)).all()
    assert grown(np.zeros(SIZE, bool), 3).sum() == 0


def test_an_erosion_stops_before_nothing_is_left() -> None:
    thin = filled((5, 6, 10, 25), SIZE)
    assert (grown(thin, -9) == filled((7, 8, 8, 23), SIZE)).all()
