"""A few of many, chosen from a stream."""

from collections import Counter

import numpy as np

from pipeline.report.picks import Top


def test_a_stream_gives_the_entries_with_the_largest_keys() -> None:
    keys = np.random.default_rng(0).permutation(1000).astype(float)
    top: Top[float] = Top(5)
    for part in np.split(keys, 20):
        top.offer([str(key) for key in part], part[:, None], lambda n, part=part: part[n])
    assert top.entries() == [999, 998, 997, 996, 995]


def test_a_name_has_one_place_and_its_largest_key() -> None:
    top: Top[int] = Top(2)
    top.offer(["a", "a", "b", "c"], np.array([[5.0], [9.0], [3.0], [4.0]]), lambda n: n)
    top.offer(["a"], np.array([[6.0]]), lambda _: -1)
    assert top.entries() == [1, 3]


def test_ties_are_decided_by_the_second_key() -> None:
    top: Top[int] = Top(1)
    top.offer(["a", "b"], np.array([[0.0, 2.0], [0.0, 7.0]]), lambda n: n)
    top.offer(["c"], np.array([[0.0, 9.0]]), lambda _: 2)
    assert top.entries() == [2]


def test_random_keys_choose_early_and_late_candidates_alike() -> None:
    rng = np.random.default_rng(1)
    counts: Counter[int] = Counter()
    for _ in range(400):
        top: Top[int] = Top(10)
        for start in range(0, 100, 20):
            names = [str(start + n) for n in range(20)]
            top.offer(names, rng.random((20, 1)), lambda n, start=start: start + n)
        counts.update(top.entries())
    # 400 draws of 10 % each: 40 expected, standard deviation 6.
    assert 15 < min(counts[n] for n in range(100)) <= max(counts.values()) < 65


def test_entries_are_made_for_candidates_that_get_a_place_only() -> None:
    made: list[int] = []

    def take(number: int) -> int:
        made.append(number)
        return number

    top: Top[int] = Top(3)
    top.offer([str(n) for n in range(1000)], np.arange(1000.0)[:, None], take)
    assert made == [999, 998, 997]
