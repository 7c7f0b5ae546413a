"""Shares of what was judged, and how far those of all may be from them."""

import pytest

from model.scores.wilson import stratified_share, wilson_interval


def test_an_interval_is_the_one_of_wilsons_formula() -> None:
    # Agresti and Coull 1998: 0 of 10 gives 0 to 0.278; 5 of 10 gives 0.237 to 0.763.
    assert wilson_interval(0, 10) == pytest.approx((0, 0.2775), abs=1e-3)
    assert wilson_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-3)


def test_nothing_judged_means_nothing_known() -> None:
    assert wilson_interval(0, 0) == (0, 1)


def test_strata_count_by_their_size_and_not_by_how_many_were_judged() -> None:
    share, (low, high) = stratified_share([900, 100], [10, 10], [10, 0])
    assert share == pytest.approx(0.9)
    assert low < 0.9 < high
    alone, (least, most) = stratified_share([10**9], [40], [30])
    assert alone == 0.75
    assert (least, most) == pytest.approx(wilson_interval(30, 40))


def test_wrong_ones_in_one_large_stratum_say_as_much_as_if_it_were_alone() -> None:
    """Of 10,000 alike and 95 times 200 that are all right, 25 judged of each: 0.895 to 0.967 if
    wrong ones were spread, which did not hold the truth in a quarter of 1,000 simulated draws.
    """
    share, (low, high) = stratified_share([10_000] + [200] * 95, [25] * 96, [21] + [25] * 95)
    assert share == pytest.approx(0.945, abs=1e-3)
    assert (low, high) == pytest.approx((0.880, 0.978), abs=1e-3)


def test_a_stratum_judged_whole_leaves_nothing_open() -> None:
    assert stratified_share([4, 6], [4, 6], [3, 6]) == (0.9, (0.9, 0.9))
    _, (low, high) = stratified_share([4, 6], [4, 5], [3, 5])
    assert 0.8 <= low < 0.9 == high


def test_what_is_all_right_of_few_judged_is_not_known_to_be_so_of_all() -> None:
    # Sums of IoU are counts like others.
    _, (low, high) = stratified_share([1000] * 5, [25] * 5, [25.0] * 5)
    assert (low, high) == pytest.approx((0.942, 1), abs=1e-3)
    _, (low, high) = stratified_share([1000], [4], [2.0])
    assert (low, high) == pytest.approx(wilson_interval(2, 4), abs=1e-3)
