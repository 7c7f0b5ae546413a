"""What a unit remembers of its deaths: enough to reject the cause and nothing else."""

from pathlib import Path

import pytest

from pipeline.output.attempts import Attempt, list_begun
from pipeline.output.unit import UnitName
from pipeline.storage.place import Place
from schemas.job.storage import Storage

UNIT = UnitName("0" * 16, 0, last=False)


@pytest.fixture
def begin(tmp_path: Path):
    output = Place.open(str(tmp_path), Storage())
    return lambda: Attempt(output, UNIT)


def die_at(attempt: Attempt, number: int) -> None:
    """Leave the note as a killed process would: the image at work, and no end."""
    with pytest.raises(SystemExit), attempt.image(number):
        raise SystemExit


def test_a_first_try_is_not_careful_and_one_after_a_death_is(begin) -> None:
    assert not begin().careful
    assert begin().careful


def test_a_unit_that_ended_well_starts_afresh(begin) -> None:
    begin().forget()
    assert not begin().careful


def test_a_batch_at_work_in_a_death_is_bad_and_its_neighbours_are_not(begin) -> None:
    begin()
    attempt = begin()
    with attempt.batch(0):
        pass
    with pytest.raises(SystemExit), attempt.batch(1):
        raise SystemExit
    assert [begin().is_bad(number) for number in range(3)] == [False, True, False]


def test_a_batch_out_of_time_is_bad_from_the_first_try_on(begin) -> None:
    attempt = begin()
    with attempt.batch(2):
        attempt.timed_out()
    again = begin()
    assert again.is_bad(2)
    assert again.careful


def test_a_unit_that_waits_to_be_written_is_not_blamed_for_deaths_of_the_next_one(begin) -> None:
    begin()
    for _ in range(3):
        careful = begin()
        with careful.batch(0), careful.image(3):
            pass
        careful.labelled()
    last = begin()
    assert not last.is_bad(0)
    assert last.fault_of(3) is None


def test_an_image_at_work_in_two_deaths_is_a_crash(begin) -> None:
    begin()
    die_at(begin(), 3)
    second = begin()
    assert second.fault_of(3) is None
    die_at(second, 3)
    fault = begin().fault_of(3)
    assert fault is not None
    assert fault.reason == "crash"


def test_images_that_were_done_before_the_death_are_not_blamed(begin) -> None:
    for _ in range(3):
        attempt = begin()
        for number in range(3):
            with attempt.image(number):
                pass
        die_at(attempt, 3)
    attempt = begin()
    assert [attempt.fault_of(number) is None for number in range(5)] == [
        True,
        True,
        True,
        False,
        True,
    ]


def test_an_image_out_of_time_is_rejected_at_once(begin) -> None:
    begin()
    attempt = begin()
    with attempt.image(2):
        attempt.timed_out()
    fault = begin().fault_of(2)
    assert fault is not None
    assert fault.reason == "timeout"


def test_a_note_that_cannot_be_read_costs_one_more_try(begin, tmp_path: Path) -> None:
    begin()
    (tmp_path / "attempts" / f"{UNIT}.json").write_text("{")
    assert not begin().careful


def test_half_a_note_of_a_killed_process_is_no_note(begin, tmp_path: Path) -> None:
    begin()
    (tmp_path / "attempts" / f".{UNIT}.json.0123.tmp").write_text("{")
    output = Place.open(str(tmp_path), Storage())
    assert list_begun(output, ()) == (str(UNIT),)
    assert list_begun(output, (UNIT,)) == ()
