"""A job that was cancelled is called stopped by its output, also where it was killed too soon."""

from pathlib import Path

import pytest
from ray.job_submission import JobDetails, JobStatus

from jobs.remote import submitted
from jobs.remote.submitted import leave_word
from pipeline.output.paths import ENDED
from pipeline.status.run_state import read_run_state
from pipeline.storage.place import Place
from schemas.job.storage import Storage
from schemas.record.at_work import Ended
from tests.made.cluster.followed import followed

ID = "label-20261126-203942-810ae7"


class Client:
    """A job server that says RUNNING so often, and then how the job ended."""

    def __init__(self, running: int, ended: JobStatus = JobStatus.STOPPED) -> None:
        self.running, self.ended = running, ended

    def get_job_info(self, _: str) -> JobDetails:
        self.running -= 1
        status = JobStatus.RUNNING if self.running >= 0 else self.ended
        return JobDetails.model_construct(status=status, message="")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitted, "LOOK_S", 0.01)
    monkeypatch.setattr(submitted, "STOP_S", 0.2)


def test_a_cancelled_job_that_was_killed_before_it_could_say_so_is_stopped_and_not_lost(
    tmp_path: Path,
) -> None:
    assert leave_word(followed(Client(2), ID, tmp_path))
    found = read_run_state(Place.open(str(tmp_path), Storage()))
    assert (found.state, found.run) == ("stopped", ID)


def test_what_a_cancelled_job_said_of_its_end_stays(tmp_path: Path) -> None:
    place = Place.open(str(tmp_path), Storage())
    done = Ended(run=ID, kind="label", at="2026-11-26T20:42:05+00:00", outcome="done", said="")
    place.below(ENDED).replace(done.model_dump_json().encode())
    assert leave_word(followed(Client(0), ID, tmp_path))
    assert read_run_state(place).state == "done"


def test_a_job_that_does_not_end_is_not_called_stopped(tmp_path: Path) -> None:
    assert not leave_word(followed(Client(1000), ID, tmp_path))
    assert not (tmp_path / ENDED).exists()
