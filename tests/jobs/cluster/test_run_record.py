"""A command leaves how it ended beside its results; a second one beside it is refused or waits."""

from pathlib import Path

import pytest
import typer

from jobs.cluster import run_record
from jobs.cluster.run_record import RunRecord
from jobs.terminal.console import LINES_FD, open_console
from pipeline.status import at_work
from pipeline.status.at_work import Presence, read_at_work
from pipeline.status.run_state import read_run_state
from pipeline.storage.place import Place
from schemas.errors import BadInput
from schemas.job.storage import Storage

WRONG = BadInput("a preset of negatives", "dataset", "a folder", "negatives")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_work, "BEAT_S", 0.05)
    monkeypatch.setattr(at_work, "LOOK_S", 0.05)
    monkeypatch.setattr(run_record, "WAIT_LOOK_S", 0.05)


def state_of(folder: Path) -> tuple[str, str]:
    found = read_run_state(Place.open(str(folder), Storage()))
    return found.state, found.says


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, "done"),
        (WRONG, "failed"),
        (OSError("a full disk"), "failed"),
        (typer.Exit(1), "stopped"),
    ],
)
def test_how_a_run_ended_is_on_its_output(
    error: Exception | None, state: str, tmp_path: Path
) -> None:
    try:
        with RunRecord("label", str(tmp_path), Storage()) as record:
            record.begin(open_console())
            assert state_of(tmp_path)[0] == "at work"
            if error is not None:
                raise error
    except type(error or KeyError()):
        pass
    found, says = state_of(tmp_path)
    assert found == state
    assert "a full disk" in says or not isinstance(error, OSError)


def test_a_job_that_is_refused_before_it_began_leaves_nothing_here_and_a_line_on_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput), RunRecord("train", str(tmp_path / "here"), Storage()):
        raise WRONG
    assert not (tmp_path / "here").exists()
    monkeypatch.setenv(LINES_FD, "2")
    with pytest.raises(BadInput), RunRecord("train", str(tmp_path / "there"), Storage()):
        raise WRONG
    found, says = state_of(tmp_path / "there")
    assert found == "failed"
    assert "a preset of negatives" in says


def test_a_second_run_is_refused_and_says_who_is_at_work_and_since_when(tmp_path: Path) -> None:
    place = Place.open(str(tmp_path), Storage())
    first = Presence(place, run="label-20261125-184801-a1b2c3", kind="label")
    first.begin()
    with pytest.raises(BadInput) as refused, RunRecord("label", str(tmp_path), Storage()) as second:
        second.begin(open_console())
    assert "label-20261125-184801-a1b2c3" in refused.value.got
    assert "last seen at work" in refused.value.got
    assert "--wait" in refused.value.wanted
    assert len(read_at_work(place)) == 1
    first.end()
    assert state_of(tmp_path)[0] == "unknown"  # the refused run has said nothing of the output


def test_a_run_that_waits_begins_when_the_other_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place.open(str(tmp_path), Storage())
    first = Presence(place, run="label-1", kind="label")
    first.begin()
    monkeypatch.setattr(run_record.time, "sleep", lambda _: first.end())
    with RunRecord("label", str(tmp_path), Storage()) as second:
        assert second.begin(open_console(), wait=True)
        assert len(read_at_work(place)) == 1


def test_a_submitted_job_that_finds_nothing_to_do_says_that_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LINES_FD, "2")
    with RunRecord("embed", str(tmp_path), Storage()):
        pass
    assert state_of(tmp_path)[0] == "done"
