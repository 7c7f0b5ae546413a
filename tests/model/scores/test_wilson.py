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
    alone, (least, most) = stratified_share([50], [40], [30])
    assert alone == 0.75
    assert (least, most) == pytest.approx(wilson_interval(30, 40))
