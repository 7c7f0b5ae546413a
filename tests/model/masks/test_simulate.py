"""What a person might draw on an object, from its mask and a seed."""

import hashlib

import numpy as np
import pytest

from model.draws import Draws
from model.masks.simulate import MOST_POINTS, simulate_annotation
from schemas.job.reference import Box, Points


def _blob(height: int = 120, width: int = 160) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return ((y - 60) ** 2 * 2 + (x - 90) ** 2 < 40**2) & ~((x > 85) & (x < 95) & (y > 50))


def test_points_lie_on_the_object_and_number_one_to_twenty() -> None:
    mask_HW = _blob()
    counts = set()
    for seed in range(60):
        points = simulate_annotation(mask_HW, "points", Draws(seed))
        assert isinstance(points, Points)
        assert all(mask_HW[int(y), int(x)] for x, y in points.points)
        assert len(set(points.points)) == len(points.points)
        counts.add(len(points.points))
    assert min(counts) == 1
    assert max(counts) == MOST_POINTS


def test_an_object_of_three_pixels_gets_at_most_three_points() -> None:
    mask_HW = np.zeros((9, 9), bool)
    mask_HW[4, 2:5] = True
    counts = [
        len(p.points)
        for p in (simulate_annotation(mask_HW, "points", Draws(seed)) for seed in range(30))
        if isinstance(p, Points)
    ]
    assert max(counts) == 3


def test_the_box_is_tight_in_pixel_edges() -> None:
    mask_HW = np.zeros((20, 30), bool)
    mask_HW[3:7, 10:21] = True
    box = simulate_annotation(mask_HW, "box", Draws(0))
    assert isinstance(box, Box)
    assert box.xyxy == (10, 3, 21, 7)


def test_scribbles_stay_on_the_object_and_are_never_empty() -> None:
    mask_HW = _blob()
    shares = []
    for seed in range(40):
        scribble_HW = simulate_annotation(mask_HW, "scribbles", Draws(seed))
        assert isinstance(scribble_HW, np.ndarray)
        assert scribble_HW.dtype == bool
        assert not (scribble_HW & ~mask_HW).any()
        assert scribble_HW.any()
        shares.append(scribble_HW.sum() / mask_HW.sum())
    # From a short stroke to a busy drawing, but not the mask itself.
    assert min(shares) < 0.2
    assert max(shares) < 0.95


def test_a_single_pixel_can_be_scribbled_on() -> None:
    mask_HW = np.zeros((50, 50), bool)
    mask_HW[20, 30] = True
    scribble_HW = simulate_annotation(mask_HW, "scribbles", Draws(1))
    assert isinstance(scribble_HW, np.ndarray)
    assert np.array_equal(scribble_HW, mask_HW)


def test_the_mask_is_returned_as_it_is() -> None:
    mask_HW = _blob()
    assert simulate_annotation(mask_HW, "mask", Draws(0)) is mask_HW


def test_an_empty_mask_cannot_be_annotated() -> None:
    with pytest.raises(ValueError, match="empty"):
        simulate_annotation(np.zeros((4, 4), bool), "points", Draws(0))


def test_an_annotation_is_the_same_on_every_platform() -> None:
    # Written down once (x86-64, numpy 2.4.6).
    digest = hashlib.sha256()
    for seed in range(20):
        scribble_HW = simulate_annotation(_blob(), "scribbles", Draws("known", seed))
        assert isinstance(scribble_HW, np.ndarray)
        digest.update(np.packbits(scribble_HW).tobytes())
        points = simulate_annotation(_blob(), "points", Draws("known", seed))
        assert isinstance(points, Points)
        digest.update(repr(points.points).encode())
    known = "fd884f0614f1c8611886464698a580b581c0cf2a6b815213787036a2942fd799"
    assert digest.hexdigest() == known


def test_memory_order_of_the_mask_does_not_matter() -> None:
    mask_HW = _blob()
    for form in ("points", "scribbles"):
        one = simulate_annotation(mask_HW, form, Draws(3))
        other = simulate_annotation(np.asfortranarray(mask_HW), form, Draws(3))
        if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
            assert np.array_equal(one, other)
        else:
            assert one == other
