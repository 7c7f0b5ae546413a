"""Connected components of runs are those that a flood over the pixels finds."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from pipeline.masks.components import components
from pipeline.masks.runs import encode_rle


def _split(mask_HW: np.ndarray, most: int = 1000, min_area_px: int = 1) -> list[np.ndarray]:
    found = components(encode_rle(mask_HW)["counts"], mask_HW.shape, most, min_area_px)
    for rle, area_px in found:
        assert coco_mask.area(rle) == area_px
    return [coco_mask.decode(rle).astype(bool) for rle, _ in found]


def _flooded(mask_HW: np.ndarray) -> list[np.ndarray]:
    """The same by walking from pixel to pixel, in COCO's order, the largest first."""
    left = mask_HW.copy()
    found = []
    for x, y in zip(*np.nonzero(mask_HW.T), strict=True):
        if not left[y, x]:
            continue
        one = np.zeros_like(mask_HW)
        waiting = [(int(y), int(x))]
        while waiting:
            row, column = waiting.pop()
            inside = 0 <= row < mask_HW.shape[0] and 0 <= column < mask_HW.shape[1]
            if inside and left[row, column]:
                left[row, column], one[row, column] = False, True
                waiting += [(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        found.append(one)
    return sorted(found, key=lambda one: -int(one.sum()))


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("size_HW", [(1, 40), (40, 1), (2, 17), (33, 29)])
def test_components_of_noise_are_those_of_a_flood(share: float, size_HW: tuple[int, int]) -> None:
    for seed in range(3):
        mask_HW = np.random.default_rng(seed).random(size_HW) < share
        wanted, got = _flooded(mask_HW), _split(mask_HW)
        assert len(got) == len(wanted)
        assert all(np.array_equal(a, b) for a, b in zip(got, wanted, strict=True))


def test_a_spiral_is_one_object() -> None:
    mask_HW = np.zeros((41, 41), bool)
    row, column, step, direction = 0, 0, 40, 0
    while step > 0:
        for _ in range(2):
            for _ in range(step):
                mask_HW[row, column] = True
                row += (0, 1, 0, -1)[direction]
                column += (1, 0, -1, 0)[direction]
            direction = (direction + 1) % 4
        step -= 2
    (one,) = _split(mask_HW)
    assert np.array_equal(one, mask_HW)


def test_the_end_of_a_column_does_not_touch_the_beginning_of_the_next() -> None:
    mask_HW = np.zeros((5, 2), bool)
    mask_HW[3:, 0] = mask_HW[0, 1] = True  # one run of three pixels in COCO's order
    assert [int(one.sum()) for one in _split(mask_HW)] == [2, 1]


def test_a_full_and_an_empty_mask() -> None:
    assert _split(np.zeros((4, 3), bool)) == []
    (one,) = _split(np.ones((4, 3), bool))
    assert one.all()


def test_only_the_largest_are_kept_and_none_below_the_smallest_area() -> None:
    mask_HW = np.zeros((10, 40), bool)
    mask_HW[0, 0] = True
    mask_HW[2:4, 10:12] = True
    mask_HW[2:5, 20:23] = True
    assert [int(one.sum()) for one in _split(mask_HW, most=2)] == [9, 4]
    assert [int(one.sum()) for one in _split(mask_HW, min_area_px=4)] == [9, 4]
    assert [int(one.sum()) for one in _split(mask_HW, most=1, min_area_px=5)] == [9]
