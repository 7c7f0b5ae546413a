"""Rates and times to go, of the last minutes; counts that are exact where the inputs say them."""

import pytest

from jobs.terminal.pace import WINDOW_S, Pace, spoken
from jobs.terminal.progress import describe
from jobs.terminal.tally import Tally
from schemas.record.commit import Part, Shard
from schemas.record.receipt import Receipt, StageSeconds

UNIT = 10


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def tar(name: str, size_bytes: int) -> Shard:
    return Shard(
        id=name * 16, kind="tar", name=name, uri="", size_bytes=size_bytes, images_per_unit=UNIT
    )


def photos(count: int) -> Shard:
    images = tuple((str(i), "") for i in range(count))
    return Shard(
        id="f" * 16,
        kind="images",
        name="f",
        uri="",
        size_bytes=0,
        images=images,
        images_per_unit=UNIT,
    )


def receipt(shard: Shard, number: int, images: int, last: bool = False) -> Receipt:
    part = Part(
        path=f"labels/{shard.id}-{number}", sha256="", bytes=0, images=images, rows=images,
        labelled=0, empty=images, rejected=0,
    )  # fmt: skip
    return Receipt(shard_id=shard.id, number=number, last=last, part=part, seconds=StageSeconds())


def test_the_start_of_actors_is_no_part_of_the_time_to_go() -> None:
    clock = Clock()
    pace = Pace(clock)
    clock.now_s += 60.0  # until the first unit
    pace.add(UNIT)
    assert pace.to_go(100) == ""
    for _ in range(4):
        clock.now_s += 1.0
        pace.add(UNIT)
    assert pace.per_s() == pytest.approx(UNIT)
    assert pace.to_go(420) == ", about 42 s to go"


def test_a_rate_is_of_the_last_minutes_not_of_the_whole_run() -> None:
    clock = Clock()
    pace = Pace(clock)
    for seconds in [1.0] * 100 + [10.0] * 30:  # a node left, say
        clock.now_s += seconds
        pace.add(UNIT)
    assert pace.per_s() == pytest.approx(1.0, rel=0.1)
    clock.now_s += WINDOW_S
    rate = pace.per_s()
    assert rate is not None
    assert rate < 0.6  # nothing has come since


def test_durations_are_said_as_people_do() -> None:
    assert [spoken(s) for s in (42.4, 150, 12_600)] == ["42 s", "2 min", "3.5 h"]


def test_a_list_of_images_is_counted_exactly_from_the_start() -> None:
    listed = photos(25)
    tally = Tally([(listed, frozenset())])
    assert tally.total() == (25, True)
    tally.add(receipt(listed, 0, 25, last=True))
    assert describe(tally, Pace()) == "25 of 25 images, rejected 0"


def test_tars_that_were_not_read_to_their_end_are_guessed_by_size_and_never_too_many() -> None:
    a, b = tar("a", 2000), tar("b", 1000)
    tally = Tally([(a, frozenset()), (b, frozenset({0}))])
    tally.add(receipt(a, 0, UNIT))
    assert tally.total() is None
    assert describe(tally, Pace()) == "10 images, rejected 0"
    tally.add(receipt(b, 1, 5, last=True))  # 15 with its first unit, of an earlier run
    # Two tars at work at once had counted as more than there are: 928 of 800.
    assert tally.total() == (30 + 5, False)
    tally.add(receipt(a, 2, 9, last=True))
    tally.add(receipt(a, 1, UNIT))
    assert tally.total() == (29 + 5, True)


def test_a_unit_that_is_handed_out_twice_is_counted_once() -> None:
    listed = photos(UNIT)
    tally = Tally([(listed, frozenset())])
    assert tally.add(receipt(listed, 0, UNIT, last=True))
    assert not tally.add(receipt(listed, 0, UNIT, last=True))
    assert tally.images == UNIT
