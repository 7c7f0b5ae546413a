"""Scores against arithmetic done by hand."""

import math

import numpy as np
import pytest

from model.scores.bootstrap import bootstrap_interval
from model.scores.boundary import boundary_px, boundary_region, contour_accuracy
from model.scores.metrics import (
    Overlap,
    false_mask_rate,
    foreground_background_iou,
    gather,
    iou_by_class,
    mean_iou,
    overlap,
    presence_auroc,
    presence_threshold,
)


def box(top: int, left: int, bottom: int, right: int, side: int = 10) -> np.ndarray:
    mask = np.zeros((side, side), dtype=bool)
    mask[top:bottom, left:right] = True
    return mask


def test_two_shifted_squares_overlap_as_counted_by_hand() -> None:
    # 4 x 4 squares, one moved by 2: they share 2 x 4, together they are 24, and 76 are neither.
    assert overlap(box(0, 0, 4, 4), box(0, 2, 4, 6)) == Overlap(8, 24, 76, 92)


def test_ignored_pixels_count_neither_for_the_object_nor_for_the_background() -> None:
    ignored = box(0, 0, 4, 2)  # the half of the prediction that is wrong
    assert overlap(box(0, 0, 4, 4), box(0, 2, 4, 6), ignored) == Overlap(8, 16, 76, 84)


def test_masks_of_two_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(10, 10\) for a truth of \(9, 9\)"):
        overlap(box(0, 0, 1, 1), box(0, 0, 1, 1, side=9))


def test_mean_iou_sums_within_a_class_and_averages_over_classes() -> None:
    pairs = gather(
        [7, 7, 3],
        [Overlap(10, 20, 80, 90), Overlap(0, 80, 20, 100), Overlap(30, 40, 60, 70)],
    )
    # Class 7: (10 + 0) / (20 + 80), not the mean of 0.5 and 0; class 3: 30 / 40.
    assert iou_by_class(pairs) == {3: 0.75, 7: 0.1}
    assert mean_iou(pairs) == pytest.approx(0.425)
    assert foreground_background_iou(pairs) == pytest.approx((40 / 140 + 160 / 260) / 2)


def test_a_perfect_prediction_scores_one_and_its_complement_zero() -> None:
    truth = box(2, 2, 7, 7)
    perfect, wrong = gather([0], [overlap(truth, truth)]), gather([0], [overlap(~truth, truth)])
    assert (mean_iou(perfect), foreground_background_iou(perfect)) == (1, 1)
    assert (mean_iou(wrong), foreground_background_iou(wrong)) == (0, 0)


def test_a_class_of_which_nothing_was_predicted_or_true_has_no_iou() -> None:
    pairs = gather([1, 2], [Overlap(0, 0, 100, 100), Overlap(1, 2, 98, 99)])
    assert iou_by_class(pairs) == {2: 0.5}
    assert math.isnan(mean_iou(gather([1], [Overlap(0, 0, 100, 100)])))
    assert math.isnan(mean_iou(gather([], [])))


def test_a_boundary_region_is_the_ring_of_its_width_inside_the_mask() -> None:
    square = box(2, 2, 8, 8)
    assert (boundary_region(square, 1) == square & ~box(3, 3, 7, 7)).all()
    assert (boundary_region(square, 2) == square & ~box(4, 4, 6, 6)).all()
    assert (boundary_region(square, 3) == square).all()


def test_the_images_border_is_boundary_where_the_mask_touches_it() -> None:
    everything = np.ones((10, 10), dtype=bool)
    assert (boundary_region(everything, 1) == ~box(1, 1, 9, 9)).all()


def test_the_boundary_is_two_percent_of_the_diagonal_and_at_least_a_pixel() -> None:
    assert boundary_px((300, 400)) == 10
    assert boundary_px((10, 10)) == 1


def test_f_forgives_a_contour_within_its_radius_and_no_further() -> None:
    truth = box(5, 5, 15, 15, side=30)
    moved = box(5, 8, 15, 18, side=30)
    assert contour_accuracy(truth, truth, 0) == 1
    assert contour_accuracy(moved, truth, 3) == 1
    # Contours of 2 * 11 + 2 * 9 = 40 pixels; moved by 3, the two top and bottom lines of 11 share
    # 8 pixels each, and no side falls on the other's.
    assert contour_accuracy(moved, truth, 0) == pytest.approx(16 / 40)
    assert contour_accuracy(box(20, 20, 25, 25, side=30), truth, 1) < 0.1


def test_f_of_empty_masks_is_one_together_and_zero_alone() -> None:
    nothing, something = box(0, 0, 0, 0), box(2, 2, 5, 5)
    assert contour_accuracy(nothing, nothing) == 1
    assert contour_accuracy(something, nothing) == 0
    assert contour_accuracy(nothing, something) == 0


def test_the_false_mask_rate_is_the_share_of_absent_objects_with_a_mask() -> None:
    assert false_mask_rate([0, 0, 12, 300]) == 0.5
    assert false_mask_rate([0, 0, 12, 300], min_area_px=100) == 0.25
    assert math.isnan(false_mask_rate([]))


def test_auroc_counts_the_pairs_in_the_right_order() -> None:
    present = np.array([True, True, False, False])
    assert presence_auroc(np.array([0.9, 0.8, 0.2, 0.1]), present) == 1
    assert presence_auroc(np.array([0.1, 0.2, 0.8, 0.9]), present) == 0
    # 0.9 beats both, 0.5 beats 0.1 and ties with 0.5: 3.5 of 4 pairs.
    assert presence_auroc(np.array([0.9, 0.5, 0.5, 0.1]), present) == 0.875
    assert presence_auroc(np.ones(4), present) == 0.5
    assert math.isnan(presence_auroc(np.ones(2), np.ones(2, dtype=bool)))


def test_an_interval_repeats_for_a_seed_and_holds_the_score() -> None:
    rng = np.random.default_rng(0)
    union = rng.integers(50, 100, 200)
    overlaps = [Overlap(int(u * rng.random()), int(u), 100, 120) for u in union]
    pairs = gather([i % 4 for i in range(200)], overlaps)

    def score(indices: np.ndarray) -> float:
        return mean_iou(pairs.chosen(indices))

    first = bootstrap_interval(score, pairs.classes_E, seed=1, resamples=200)
    assert first == bootstrap_interval(score, pairs.classes_E, seed=1, resamples=200)
    assert first != bootstrap_interval(score, pairs.classes_E, seed=2, resamples=200)
    assert first.low < mean_iou(pairs) < first.high


def test_the_interval_of_a_coin_is_that_of_the_binomial() -> None:
    tosses = np.repeat([0.0, 1.0], 50)
    strata = np.zeros(100, dtype=int)
    low, high = bootstrap_interval(lambda indices: tosses[indices].mean(), strata, 3)
    # 100 tosses of a fair coin: 0.5 -+ 1.96 * 0.05.
    assert (low, high) == pytest.approx((0.402, 0.598), abs=0.015)


@pytest.mark.parametrize("count", [2, 3, 4, 10])
def test_the_interval_of_few_is_as_wide_as_the_mean_of_few_varies(count: int) -> None:
    # Two hundred classes of so many: the mean's standard deviation is sqrt(s^2 / count / 200).
    values = np.tile(np.linspace(-1.0, 1.0, count), 200)
    strata = np.repeat(np.arange(200), count)
    low, high = bootstrap_interval(lambda indices: values[indices].mean(), strata, 0, 500)
    deviation = np.sqrt(values[:count].var(ddof=1) / count / 200)
    assert 0.94 < (high - low) / (2 * 1.96 * deviation) < 1.15


def test_episodes_are_redrawn_within_their_stratum() -> None:
    strata = np.array([0] * 3 + [1] * 30)
    seen = []
    bootstrap_interval(lambda indices: seen.append(strata[indices].sum()) or 0.0, strata, 1, 50)
    assert set(seen) == {30}


def test_the_threshold_of_presence_tells_most_of_both_kinds() -> None:
    present = np.array([True, True, True, False])
    assert presence_threshold(np.array([0.9, 0.8, 0.5, 0.1]), present) == pytest.approx(0.3)
    assert presence_threshold(np.array([0.9, 0.8, 0.1, 0.5]), present) == pytest.approx(0.65)
    assert presence_threshold(np.ones(4), present) == 1
    assert math.isnan(presence_threshold(np.ones(2), np.ones(2, dtype=bool)))
