"""vrp status at the terminal: from an output, from a job file, and until the job is done."""

import json
from pathlib import Path

import pytest

from pipeline.output.plan import extend_plan
from pipeline.storage.place import Place
from schemas.storage import Storage
from tests.made.commands import run
from tests.made.committed import commit_units, rejected_row
from tests.made.shards import tar


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
