"""A log that is followed while its head dies ends with what storage tells, and the next command."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from ray.job_submission import JobDetails, JobStatus

from jobs.remote import follow as following
from jobs.remote.follow import ending_of, follow
from pipeline.output.paths import ENDED
from pipeline.output.plan import extend_plan
from pipeline.storage.place import Place
from schemas.job.storage import Storage
from schemas.record.at_work import Ended
from tests.made.cluster.followed import followed
from tests.made.outputs.committed import commit_units, rejected_row
from tests.made.outputs.shards import tar

ID = "label-20261125-184801-a1b2c3"
LOG = "".join(f"vrp 11-25 18:48:0{i} line {i}\n" for i in range(4))


class Client:
    """A job server that closes the connection after so many characters, and then answers so."""

    def __init__(self, cuts: list[int | None], answers: list[JobStatus | None]) -> None:
        self.cuts, self.answers = iter(cuts), iter(answers)

    async def tail_job_logs(self, _: str) -> AsyncIterator[str]:
        cut = next(self.cuts)
        for start in range(0, len(LOG[:cut]), 7):
            yield LOG[:cut][start : start + 7]
        if cut is not None:
            raise RuntimeError("WebSocket connection closed unexpectedly with close code 1006")

    def get_job_info(self, _: str) -> JobDetails:
        status = next(self.answers, None)
        if status is None:
            raise ConnectionError("Failed to connect to Ray")
        return JobDetails.model_construct(status=status, message="")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_S", 0.01)
    monkeypatch.setattr(following, "LOST_S", 0.05)


def lines(pieces: list[str]) -> Iterator[Any]:
    return (line.split(" ", 2)[2] for line in "".join(pieces).splitlines())


def test_a_cut_connection_is_taken_up_again_without_a_line_lost_or_twice(tmp_path: Any) -> None:
    client = Client([40, 60, None], [JobStatus.RUNNING, JobStatus.RUNNING, JobStatus.SUCCEEDED])
    pieces: list[str] = []
    details = follow(followed(client, ID, tmp_path), verbose=False, echo=pieces.append)
    assert details.status == JobStatus.SUCCEEDED
    assert list(lines(pieces)) == [f"line {i}" for i in range(4)]


def test_a_head_that_died_is_told_with_the_job_and_the_next_command(tmp_path: Any) -> None:
    output = str(tmp_path)
    ended = Ended(run=ID, kind="label", at="2026-11-25T18:48:01+00:00", outcome="failed", said="x")
    Place.open(output, Storage()).below(ENDED).replace(ended.model_dump_json().encode())
    with pytest.raises(OSError, match="has not answered") as told:
        follow(followed(Client([40], []), ID, output), verbose=False, echo=lambda _: None)
    text = str(told.value)
    assert "1006" not in text
    assert ID in text
    assert "storage: state not begun, last run failed" in text
    assert f"vrp status {output} --watch" in text
    assert "vrp submit label" in text


def test_a_head_that_died_when_the_job_was_done_asks_for_nothing(tmp_path: Any) -> None:
    output = str(tmp_path)
    commit_units(output, [([], [rejected_row("0")])])
    extend_plan(Place.open(output, Storage()), [tar(f"{1:016x}")])
    with pytest.raises(OSError, match="has not answered") as told:
        follow(followed(Client([40], []), ID, output), verbose=False, echo=lambda _: None)
    assert "Its output is done" in str(told.value)
    assert "vrp submit" not in str(told.value)


def test_a_job_that_was_killed_whole_says_so_and_what_to_do_as_its_log_cannot() -> None:
    details = JobDetails.model_construct(
        status=JobStatus.FAILED, message="Job entrypoint command failed", driver_exit_code=137
    )
    assert "SIGKILL" in ending_of(details)
    assert "submit the same job again" in ending_of(details)
    told_in_its_log = details.model_copy(update={"driver_exit_code": 1})
    assert ending_of(told_in_its_log) == ""
