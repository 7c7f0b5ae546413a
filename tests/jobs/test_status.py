"""vrp status at the terminal: from an output, from a job file, and until the job is done."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.output.paths import ENDED, SUBMITTED
from pipeline.output.plan import extend_plan
from pipeline.storage.place import Place
from schemas.job.storage import Storage
from schemas.record.at_work import Ended, Submitted
from tests.made.jobs.commands import run
from tests.made.outputs.committed import commit_units, rejected_row
from tests.made.outputs.shards import tar


def test_status_is_told_from_a_job_file_and_watched_until_it_is_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = tmp_path / "job.yaml"
    job.write_text("output: {uri: out}\ntargets: anything else\n")
    code, _, err = run(capsys, "status", str(job))
    assert code == 2
    assert "has not begun" in err
    output = str(tmp_path / "out")
    commit_units(output, [([], [rejected_row("0")])])
    folder = Place.open(output, Storage())
    shard = tar(f"{1:016x}")
    extend_plan(folder, [shard])
    code, out, err = run(capsys, "status", str(job), "--watch", "--json")
    assert code == 0, err
    assert "state done" in err
    found = json.loads(out.splitlines()[-1])
    assert (found["done"], found["shards"], found["counts"]["rejected"]) == (True, 1, 1)
    code, out, _ = run(capsys, "status", output)
    assert code == 0
    assert "1 of 1" in out


def test_watching_a_job_that_failed_is_lost_or_unknown_says_so_and_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "out")
    code, _, err = run(capsys, "status", output, "--watch")
    assert code == 2
    assert "has not begun" in err

    place = Place.open(output, Storage())
    said = "a preset of negatives: dataset.type, got folder"
    failed = Ended(run="train-1", kind="train", at=ago(5), outcome="wrong-input", said=said)
    place.below(ENDED).replace(failed.model_dump_json().encode())
    code, out, _ = run(capsys, "status", output, "--watch", "--json")
    assert code == 1
    found = json.loads(out.splitlines()[-1])
    assert (found["done"], found["run"]["state"], found["run"]["run"]) == (
        False,
        "failed",
        "train-1",
    )
    assert said in found["run"]["says"]
    code, out, _ = run(capsys, "status", output)
    assert code == 0
    (line,) = [line for line in out.splitlines() if "failed" in line]
    assert said in line

    elsewhere = "http://of-another-laptop:8265"
    submitted = Submitted(run="train-2", kind="train", at=ago(3600), head=elsewhere)
    place.below(SUBMITTED).replace(submitted.model_dump_json().encode())
    earlier = failed.model_copy(update={"at": ago(9999)})
    place.below(ENDED).replace(earlier.model_dump_json().encode())
    code, out, _ = run(capsys, "status", output, "--watch")
    assert code == 1
    assert "lost: train-2" in out


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat(timespec="seconds")


def test_images_of_a_finished_job_are_one_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "out")
    commit_units(output, [([], [rejected_row("0"), rejected_row("1")]), ([], [rejected_row("2")])])
    code, out, _ = run(capsys, "status", output)
    assert code == 0
    (line,) = [line for line in out.splitlines() if line.split()[:1] == ["images"]]
    assert line.split()[1:] == ["3"]
