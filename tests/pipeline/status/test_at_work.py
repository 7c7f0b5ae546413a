"""Runs say on storage that they are at work, yield to those before them, and say how they end."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.output.paths import STATE
from pipeline.status import at_work
from pipeline.status.at_work import Presence, find_working, read_at_work
from pipeline.status.run_state import read_run_state
from pipeline.storage.place import Place
from schemas.job.storage import Storage
from schemas.record.at_work import AtWork, Ended, Submitted
from schemas.spec import Spec

OTHER_MACHINE = "boot-0 1-1"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.open(str(tmp_path), Storage())


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds")


def put(place: Place, name: str, record: Spec) -> None:
    place.below(f"{STATE}/{name}.json").replace(record.model_dump_json().encode())


def beat(number: int, beats: int, seen_s: float = 0.0, run: str = "label-1") -> tuple[str, AtWork]:
    return f"at-work-{number:05d}", AtWork(
        run=run,
        kind="label",
        host="far",
        process=OTHER_MACHINE,
        begun=ago(1000),
        seen=ago(seen_s),
        beats=beats,
    )


def nothing(_: float) -> None:
    """Sleep no time at all."""


def beating(place: Place, number: int) -> Callable[[float], None]:
    """A clock by whose third second another machine's run has written its file again."""
    seconds = iter(range(10**6))

    def sleep(_: float) -> None:
        if next(seconds) == 2:
            put(place, *beat(number, 8))

    return sleep


def test_a_run_at_work_is_found_by_its_next_beat(place) -> None:
    put(place, *beat(1, 7))
    found = find_working(place, own="label-2", sleep=beating(place, 1))
    assert found is not None
    assert (found.run, found.beats) == ("label-1", 8)


def test_a_run_that_beats_no_more_is_not_at_work(place) -> None:
    put(place, *beat(1, 7))
    assert find_working(place, own="label-2", sleep=nothing) is None


def test_an_earlier_try_of_the_same_job_is_not_another_run(place) -> None:
    put(place, *beat(1, 7))
    assert find_working(place, own="label-1", sleep=beating(place, 1)) is None


def test_of_two_runs_that_begin_at_once_one_works(place) -> None:
    first, second = (Presence(place, run=run, kind="label") for run in ("label-1", "label-2"))
    one, two = first.begin(), second.begin()
    put(place, *beat(one, 7))
    assert find_working(place, own="label-1", below=one, sleep=beating(place, two)) is None
    assert find_working(place, own="label-2", below=two, sleep=beating(place, one)) is not None
    first.end()
    second.end()
    assert read_at_work(place) == {}


def test_a_run_says_that_it_is_at_work_until_it_ends(
    place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_work, "BEAT_S", 0.05)
    presence = Presence(place, run="label-1", kind="label")
    number = presence.begin()
    deadline = time.monotonic() + 20
    while read_at_work(place)[number].beats < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert read_run_state(place).state == "at work"
    presence.end()
    assert read_at_work(place) == {}


def test_a_run_whose_process_was_killed_here_is_no_obstacle_at_all(place) -> None:
    script = (
        "from pipeline.status.at_work import Presence\n"
        "from pipeline.storage.place import Place\n"
        "from schemas.job.storage import Storage\n"
        "import os\n"
        f"Presence(Place.open({place.uri!r}, Storage()), run='label-1', kind='label').begin()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert len(read_at_work(place)) == 1

    assert find_working(place, own="label-2", sleep=never) is None
    assert read_run_state(place).state == "lost"
    presence = Presence(place, run="label-2", kind="label")
    number = presence.begin()
    assert list(read_at_work(place)) == [number]
    presence.end()


def never(_: float) -> None:
    raise AssertionError("nothing is to be waited for")


@pytest.mark.parametrize(("seen_s", "sleep"), [(2 * 86_400, never), (3600, nothing)])
def test_a_run_that_fell_silent_long_ago_is_lost(
    seen_s: float, sleep: Callable[[float], None], place
) -> None:
    put(place, *beat(1, 7, seen_s=seen_s))
    found = read_run_state(place, sleep)
    assert found.state == "lost"
    assert "label-1" in found.says
    assert "far" in found.says


def test_a_run_is_at_work_by_its_beats_however_far_behind_its_machines_clock_is(place) -> None:
    put(place, *beat(1, 7, seen_s=700))
    assert find_working(place, own="label-2", sleep=beating(place, 1)) is not None
    put(place, *beat(1, 7, seen_s=700))
    assert read_run_state(place, beating(place, 1)).state == "at work"


def test_a_run_that_died_is_lost_however_far_ahead_its_machines_clock_is(place) -> None:
    put(place, *beat(1, 7, seen_s=-3600))
    assert read_run_state(place, nothing).state == "lost"


def test_a_run_that_has_said_how_it_ended_is_not_waited_for_and_its_next_try_is(place) -> None:
    put(place, *beat(1, 7, seen_s=700))
    put(place, "ended", Ended(run="label-1", kind="label", at=ago(600), outcome="stopped", said=""))
    assert read_run_state(place, never).state == "stopped"
    put(place, "ended", Ended(run="label-1", kind="label", at=ago(1100), outcome="failed", said=""))
    assert read_run_state(place, beating(place, 1)).state == "at work"


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("done", "done"), ("failed", "failed"), ("wrong-input", "failed"), ("stopped", "stopped")],
)
def test_how_a_run_ended_is_one_line(place, outcome, state) -> None:
    said = "a preset of negatives: dataset folder, got no negatives"
    put(place, "ended", Ended(run="r", kind="label", at=ago(5), outcome=outcome, said=said))
    found = read_run_state(place)
    assert found.state == state
    assert "\n" not in found.says
    assert (said in found.says) == (state == "failed")


def test_a_submitted_job_is_waited_for_and_lost_when_it_never_begins(place) -> None:
    assert read_run_state(place).state == "unknown"
    before = Ended(run="label-0", kind="label", at=ago(9000), outcome="failed", said="")
    put(place, "ended", before)
    put(place, "submitted", Submitted(run="label-1", kind="label", at=ago(20)))
    assert read_run_state(place).state == "submitted"
    put(place, "submitted", Submitted(run="label-1", kind="label", at=ago(3600)))
    assert read_run_state(place).state == "lost"
    after = before.model_copy(update={"run": "label-1", "at": ago(10)})
    put(place, "ended", after)
    assert read_run_state(place).state == "failed"
