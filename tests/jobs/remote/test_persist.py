"""A submitted command is begun again when it dies, on its own cluster, and ends with its job."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from jobs.remote.child import Child
from jobs.remote.persist import Persistence
from schemas.errors import BadInput
from tests.made.cluster.processes import children, title

HOME = "the cluster"
KILLED = -signal.SIGKILL


class Outside:
    """Runs that end with these codes, a head that answers so, and a clock that only counts."""

    def __init__(self, codes: Sequence[int], clusters: Sequence[str | None] = ()) -> None:
        self.codes, self.clusters = list(codes), list(clusters)
        self.runs = 0
        self.said: list[str] = []
        self.slept: list[float] = []
        self.stopped = False

    def run(self, variables: Mapping[str, str]) -> int:
        assert variables["VRP_CLUSTER"] == HOME
        self.runs += 1
        return self.codes[self.runs - 1]

    def cluster(self) -> str:
        found = self.clusters.pop(0) if self.clusters else HOME
        if found is None:
            raise BadInput("no Ray head answers", "here", "nobody listens", "a head")
        return found

    def persist(self, tries: int = 3) -> int:
        persistence = Persistence(
            tries, self.run, self.cluster, lambda: self.stopped, self.said.append, self.slept.append
        )
        return persistence.last()


@pytest.mark.parametrize(
    ("codes", "runs", "ended"),
    [
        ([0], 1, 0),
        ([KILLED, 1, 0], 3, 0),
        ([2], 1, 2),
        ([1, 2], 2, 2),
        ([1, 1, KILLED], 3, 1),
    ],
)
def test_a_command_is_begun_again_until_it_is_done_or_wrong(
    codes: list[int], runs: int, ended: int
) -> None:
    outside = Outside(codes)
    assert outside.persist() == ended
    assert outside.runs == runs


def test_pauses_between_tries_grow_and_it_is_told_which_try_comes() -> None:
    outside = Outside([KILLED, 1, 0])
    assert outside.persist() == 0
    first, second = outside.slept
    assert 0 < first < second
    assert "the driver was killed" in outside.said[0]
    assert "(2 of 3)" in outside.said[0]
    assert "code 1" in outside.said[1]
    assert "(3 of 3)" in outside.said[1]


def test_a_command_is_never_begun_again_on_another_cluster() -> None:
    outside = Outside([KILLED], [HOME, None, "a head begun anew at the same address"])
    assert outside.persist() == 1
    assert outside.runs == 1
    assert "another cluster" in outside.said[-1]
    assert "submit the same job again" in outside.said[-1]


def test_a_head_that_comes_back_as_the_same_cluster_goes_on_with_the_job() -> None:
    outside = Outside([KILLED, 0], [HOME, None, None, HOME])
    assert outside.persist() == 0


def test_a_head_that_stays_away_ends_the_job() -> None:
    outside = Outside([KILLED], [HOME, *[None] * 100])
    assert outside.persist() == 1
    assert outside.runs == 1
    assert "nobody listens" in outside.said[-1]


def test_a_job_that_is_stopped_is_not_begun_again() -> None:
    outside = Outside([-signal.SIGTERM])
    outside.stopped = True
    assert outside.persist() == 1
    assert outside.runs == 1


def test_own_lines_are_told_from_all_others() -> None:
    script = textwrap.dedent("""
        import os, sys
        print("from a library")
        os.write(int(os.environ["LINES"]), b"304 of 800 images\\n")
        print("and a warning", file=sys.stderr, end="")
        os.kill(os.getpid(), 9)
    """)
    own: list[str] = []
    other: list[str] = []
    child = Child([sys.executable, "-u", "-c", script], "LINES", own.append, other.append)
    assert child.run({}) == KILLED
    assert own == ["304 of 800 images"]
    assert other == ["from a library", "and a warning"]


def test_a_command_ends_when_what_repeats_it_is_killed(tmp_path: Path) -> None:
    # A command that waits for ever, and a shell above both, as Ray has one.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    environment.pop("RAY_ADDRESS", None)
    os.mkfifo(tmp_path / "fifo.yaml")  # nobody writes: who reads it waits
    persist = subprocess.Popen(
        [sys.executable, "-m", "jobs.remote.persist", "x", "3", "label", "fifo.yaml"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not (found := [p for p in children(persist.pid) if "jobs.bound" in title(p)]):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        persist.kill()
        persist.wait()
    (command,) = found
    while "jobs.bound" in title(command):
        assert time.monotonic() < deadline, "the command has outlived what repeats it"
        time.sleep(0.05)
