"""Random numbers that no machine, process or numpy version may change."""

from typing import Any

import numpy as np

from model.draws import Draws, shuffled


def test_equal_keys_give_equal_numbers_on_every_platform() -> None:
    # Written down once (x86-64, numpy 2.4.6): a change of any of them changes every experiment.
    draws = Draws("episode", 7, 0, 3)
    assert [draws.below(1000) for _ in range(6)] == [580, 508, 809, 440, 880, 20]
    assert draws.unit() == 0.4163164295844767


def test_keys_that_print_alike_are_different() -> None:
    firsts = {Draws(*key).below(2**62) for key in [(1, 23), (12, 3), (1, 0), (1,), ("1", 23)]}
    assert len(firsts) == 5


def test_a_numpy_integer_is_the_same_key_as_its_value() -> None:
    number: Any = np.int64(5)  # what an index's columns hold
    assert Draws(number).below(2**62) == Draws(5).below(2**62)


def test_below_reaches_every_number_about_equally_often() -> None:
    draws = Draws("counts")
    counts = np.bincount([draws.below(7) for _ in range(7000)], minlength=7)
    assert counts.min() > 850
    assert counts.max() < 1150


def test_distinct_numbers_are_distinct_and_in_range() -> None:
    draws = Draws("distinct")
    for count in range(12):
        drawn = draws.distinct(count, 11 if count < 12 else 12)
        assert len(set(drawn)) == count
        assert all(0 <= number < 11 for number in drawn)


def test_a_permutation_holds_each_number_once() -> None:
    assert sorted(Draws("order").permutation(60)) == list(range(60))


def test_shuffled_places_are_a_permutation_of_any_size() -> None:
    for size in (1, 2, 3, 5, 16, 17, 1000):
        assert sorted(shuffled(place, size, "key", size) for place in range(size)) == list(
            range(size)
        )


def test_shuffling_depends_on_the_key() -> None:
    size = 500
    orders = [[shuffled(place, size, "a", key) for place in range(size)] for key in range(2)]
    assert sum(a == b for a, b in zip(*orders, strict=True)) < 20
