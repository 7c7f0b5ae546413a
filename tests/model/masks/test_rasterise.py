"""Annotations on the grid: nothing that was drawn is lost."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from model.masks.rasterise import rasterise
from schemas.job.reference import Box, Points, Scribbles

GRID = (64, 64)


def box(*xyxy: float) -> Box:
    return Box.model_validate({"type": "box", "xyxy": xyxy})


def points(*xy: tuple[float, float]) -> Points:
    return Points(type="points", points=xy)


def stroke(*xy: tuple[float, float], width_px: float = 1.0) -> Scribbles:
    return Scribbles(type="scribbles", strokes=(xy,), width_px=width_px)


def test_points_of_a_12_megapixel_photo_light_one_cell_each() -> None:
    lit = rasterise(points((1, 1), (3999, 2999), (2010, 1510)), (3000, 4000), GRID)
    assert np.argwhere(lit).tolist() == [[0, 0], [32, 32], [63, 63]]


def test_a_mask_is_resized_by_nearest() -> None:
    mask = np.random.default_rng(0).random((333, 517)) < 0.5
    nearest = F.interpolate(torch.from_numpy(mask)[None, None].float(), GRID, mode="nearest")
    assert (rasterise(mask, mask.shape, GRID) == nearest[0, 0].numpy().astype(bool)).all()


def test_a_mask_that_nearest_would_lose_keeps_the_cells_it_touches() -> None:
    mask = np.zeros((640, 640), dtype=bool)
    mask[101:109, 333] = True  # nearest reads rows and columns 0, 10, 20, …
    assert np.argwhere(rasterise(mask, mask.shape, GRID)).tolist() == [[10, 33]]


def test_a_mask_without_a_foreground_pixel_stays_empty() -> None:
    assert not rasterise(np.zeros((50, 40), dtype=bool), (50, 40), GRID).any()


def test_a_box_is_its_filled_mask_resized() -> None:
    mask = np.zeros((480, 640), dtype=bool)
    mask[100:301, 33:517] = True
    drawn = rasterise(box(33, 100, 517, 301), mask.shape, GRID)
    assert (drawn == rasterise(mask, mask.shape, GRID)).all()


def test_a_box_smaller_than_a_cell_lights_the_cells_it_overlaps() -> None:
    lit = rasterise(box(638.2, 12.1, 641.9, 14.9), (1280, 1280), GRID)
    assert np.argwhere(lit).tolist() == [[0, 31], [0, 32]]


def test_a_thin_stroke_is_drawn_without_gaps() -> None:
    lit = rasterise(stroke((5, 5), (4090, 1000)), (3000, 4096), GRID)
    assert lit.any(axis=0).all()
    rows = [np.flatnonzero(column) for column in lit.T]
    assert all(right[0] <= left[-1] + 1 for left, right in pairwise(rows))


def test_a_wide_brush_covers_the_cells_under_it() -> None:
    lit = rasterise(stroke((320, 320), width_px=200), (640, 640), GRID)
    assert lit.sum() == len([1 for y in range(64) for x in range(64) if near(x, y)])
    assert lit[32, 23:41].all()
    assert not lit[32, [20, 43]].any()


def near(x: int, y: int) -> bool:
    centre_x, centre_y = 10 * x + 5, 10 * y + 5
    return bool(np.hypot(centre_x - 320, centre_y - 320) <= 100)


def under_brush(
    drawn: Scribbles, image_HW: tuple[int, int], grid_hw: tuple[int, int]
) -> np.ndarray:
    """Every cell whose centre lies under the brush, by the distance of each to each segment."""
    (H, W), (h, w) = image_HW, grid_hw
    y_px, x_px = np.mgrid[0.5:h, 0.5:w] * np.array([H / h, W / w])[:, None, None]
    centres_hw2 = np.stack([x_px, y_px], axis=-1)
    lit_hw = np.zeros(grid_hw, bool)
    for one in drawn.strokes:
        points_N2 = np.asarray(one, np.float64)
        for start_2, end_2 in pairwise(points_N2 if len(one) > 1 else points_N2.repeat(2, axis=0)):
            line_2 = end_2 - start_2
            along_hw = (centres_hw2 - start_2) @ line_2 / max(line_2 @ line_2, 1e-12)
            nearest_hw2 = start_2 + np.clip(along_hw, 0, 1)[..., None] * line_2
            away_hw = np.hypot(*np.moveaxis(centres_hw2 - nearest_hw2, -1, 0))
            lit_hw |= away_hw <= drawn.width_px / 2
    return lit_hw


@pytest.mark.parametrize("whole", [False, True], ids=["anywhere", "between pixels"])
def test_a_stroke_lights_what_is_under_its_brush_wherever_that_is(whole: bool) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        H, W = (int(side) for side in rng.integers(20, 200, 2))
        grid_hw = (H, W) if rng.random() < 0.5 else (int(rng.integers(1, 80)), 16)
        xy_N2 = rng.uniform(0, [W, H], (int(rng.integers(1, 4)), 2))
        width_px = float(rng.uniform(0.1, 60))
        if whole:  # distances of exactly half the brush
            xy_N2, width_px = np.floor(xy_N2), float(rng.integers(1, 60))
        drawn = stroke(*map(tuple, xy_N2.tolist()), width_px=width_px)
        lit_hw = rasterise(drawn, (H, W), grid_hw)
        under_hw = under_brush(drawn, (H, W), grid_hw)
        assert (lit_hw & under_hw == under_hw).all()
        # All else are cells of the line itself.
        assert (lit_hw == under_hw | rasterise(thinnest(drawn), (H, W), grid_hw)).all()


def thinnest(drawn: Scribbles) -> Scribbles:
    return drawn.model_copy(update={"width_px": 1e-9})


def test_a_stroke_on_12_megapixels_costs_what_lies_around_it() -> None:
    drawn = stroke((100, 100), (140, 160), (300, 200), width_px=20)
    tracemalloc.start()
    rasterise(drawn, (3000, 4000), (3000, 4000))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2 * 3000 * 4000


sizes = st.integers(1, 3000)
fractions = st.floats(0, 1, exclude_max=True, width=32)


@given(sizes, sizes, fractions, fractions)
def test_no_point_box_stroke_or_pixel_is_ever_lost(
    height: int, width: int, across: float, down: float
) -> None:
    x, y = across * width, down * height
    pixel = np.zeros((height, width), dtype=bool)
    pixel[int(y), int(x)] = True
    row, column = int(y * 16 / height), int(x * 16 / width)
    for annotation in (points((x, y)), stroke((x, y))):
        assert rasterise(annotation, (height, width), (16, 16))[row, column]
    # Of a box and of a mask a cell that reads a pixel of it: no further than a cell, or a pixel.
    up, left = max(0, row - 1 - 16 // height), max(0, column - 1 - 16 // width)
    beside = np.s_[up : row + 2 + 16 // height, left : column + 2 + 16 // width]
    for annotation in (box(x, y, x + 0.01, y + 0.01), pixel):
        assert rasterise(annotation, (height, width), (16, 16))[beside].any()
