"""Scenes: exact masks, the same bits everywhere, categories as asked for."""

import hashlib

import numpy as np
import pytest

from pipeline.scenes import raster
from pipeline.scenes.categories import BASE, FOLDS, KINDS, RESERVED, fold_categories
from pipeline.scenes.compose import VERSION, Scene, scene
from pipeline.scenes.outlines import box, disc, hole
from pipeline.scenes.raster import SAMPLES, coverage


def digest(scenes: list[Scene]) -> str:
    hashed = hashlib.sha256()
    for one in scenes:
        hashed.update(one.image_HW3.tobytes())
        for name, mask_HW in one.instances:
            hashed.update(name.encode() + mask_HW.tobytes())
    return hashed.hexdigest()


def test_scenes_are_the_same_bits_as_when_their_figures_were_measured() -> None:
    scenes = [scene(4, index, BASE, (120, 160)) for index in range(8)]
    assert VERSION == 3
    assert digest(scenes) == "5767f557a58a5494b3bf8fa258ab29668c46172502b970169b49d5d8d71299ba"


def test_the_sine_table_is_the_same_on_every_platform() -> None:
    table = (raster.sine(np.arange(4096) / 4096) * 2**20).astype(np.int64)
    assert (
        hashlib.sha256(table.tobytes()).hexdigest()
        == "7cbeca505222a9ac1a535904e1632aff7af9f6a1978c29ed53b5bf408bb54cc3"
    )


def test_a_scene_depends_on_its_seed_and_index_only() -> None:
    assert digest([scene(1, 5, BASE, 64)]) == digest([scene(1, 5, BASE, 64)])
    assert digest([scene(1, 5, BASE, 64)]) != digest([scene(2, 5, BASE, 64)])
    assert digest([scene(1, 5, BASE, 64)]) != digest([scene(1, 6, BASE, 64)])


def test_masks_of_one_scene_never_overlap_and_none_is_empty() -> None:
    for index in range(12):
        drawn = scene(0, index, BASE, 96)
        covered = sum(mask_HW.astype(int) for _, mask_HW in drawn.instances)
        assert np.max(covered) == 1
        assert all(mask_HW.any() for _, mask_HW in drawn.instances)


def test_a_scene_has_one_to_six_objects_of_the_categories_asked_for() -> None:
    drawn = [scene(0, index, ("gear", "mug"), 96) for index in range(30)]
    counts = {len(one.instances) for one in drawn}
    assert counts <= set(range(7))
    assert {1, 2, 3, 4} <= counts
    assert {name for one in drawn for name, _ in one.instances} == {"gear", "mug"}


def test_some_scenes_show_a_category_several_times_and_some_not_at_all() -> None:
    shown = [
        sum(name == "mug" for name, _ in scene(0, index, RESERVED, 64).instances)
        for index in range(40)
    ]
    assert 0 in shown
    assert max(shown) > 1


def test_scenes_come_in_any_size() -> None:
    drawn = scene(0, 0, BASE, (70, 130))
    assert drawn.image_HW3.shape == (70, 130, 3)
    assert drawn.image_HW3.dtype == np.uint8
    assert all(mask_HW.shape == (70, 130) for _, mask_HW in drawn.instances)


def test_an_unknown_category_is_an_error() -> None:
    with pytest.raises(KeyError):
        scene(0, 0, ("unicorn",), 64)


@pytest.mark.parametrize("category", KINDS)
def test_every_category_is_seen_whatever_its_proportions(category: str) -> None:
    areas = [scene(1, index, (category,), 64).mask_of(category).mean() for index in range(4)]
    assert max(areas) > 0.01


def test_reserved_categories_belong_to_no_fold_and_folds_share_out_the_others() -> None:
    folds = [fold_categories(fold) for fold in range(FOLDS)]
    assert sorted(name for fold in folds for name in fold) == sorted(BASE)
    assert len(BASE) >= 40
    assert len(RESERVED) == 8
    assert not set(RESERVED) & set(BASE)


def test_a_rectangle_on_pixel_edges_covers_exactly_its_pixels() -> None:
    covered = coverage([box(2, 1, 7, 5)], 8, 9)
    wanted = np.zeros((8, 9), np.uint8)
    wanted[1:5, 2:7] = SAMPLES**2
    np.testing.assert_array_equal(covered, wanted)


def test_half_a_pixel_is_half_covered() -> None:
    assert coverage([box(0.5, 0, 1.5, 1)], 1, 3).tolist() == [[2, 2, 0]]


def test_loops_that_overlap_merge_and_a_hole_cuts() -> None:
    merged = coverage([box(0, 0, 4, 4), box(2, 0, 6, 4)], 4, 6)
    assert (merged == SAMPLES**2).all()
    pierced = coverage([box(0, 0, 20, 20), hole(disc(10, 10, 5))], 20, 20)
    assert pierced[10, 10] == 0
    assert pierced[1, 1] == SAMPLES**2


def test_a_shape_beyond_the_canvas_is_cut_off_at_its_edges() -> None:
    assert (coverage([box(-5, -5, 50, 50)], 6, 7) == SAMPLES**2).all()
    assert not coverage([box(20, 20, 30, 30)], 6, 7).any()
