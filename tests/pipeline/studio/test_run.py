"""A run started from the page: one at a time, its words in a file, how it ended told."""

import sys
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from jobs.review.work import open_work
from pipeline.studio.app import Work, make_app
from pipeline.studio.gate import Entry
from pipeline.studio.run import Run, log_of
from schemas.errors import BadInput
from schemas.job.storage import Storage
from tests.made.jobs.commands import photo_folder, write_job

ADDRESS = "http://127.0.0.1:8765"
TOKEN = "token-of-this-test-0"


def command(script: str) -> Run:
    """A run of a script, which finds the job file in sys.argv[1]."""
    return Run([sys.executable, "-c", script], "vrp label")


def ended(run: Run, job: Path) -> dict[str, object]:
    deadline = time.monotonic() + 30
    while (found := run.describe(job))["alive"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def test_what_a_run_prints_is_kept_beside_the_job_and_its_code_told(tmp_path: Path) -> None:
    job = tmp_path / "photos.yaml"
    run = command("import sys; print('a fault in', sys.argv[1]); sys.exit(2)")
    assert run.describe(job) == {"alive": False, "code": None, "log": ""}
    run.start(job)
    assert ended(run, job) == {"alive": False, "code": 2, "log": f"a fault in {job}\n"}
    assert log_of(job).read_text() == f"a fault in {job}\n"


def test_a_log_that_was_there_is_added_to_and_the_page_is_told_the_run_alone(
    tmp_path: Path,
) -> None:
    job = tmp_path / "photos.yaml"
    log_of(job).write_text("mine\n")
    run = command("print('labelled')")
    for count in (1, 2):
        run.start(job)
        assert ended(run, job)["log"] == "labelled\n"
        assert log_of(job).read_text() == "mine\n" + "labelled\n" * count


def test_a_second_run_is_refused_while_one_is_under_way_and_a_stopped_one_ends(
    tmp_path: Path,
) -> None:
    job = tmp_path / "photos.yaml"
    run = command("import time; time.sleep(60)")
    run.start(job)
    with pytest.raises(BadInput, match="under way"):
        run.start(job)
    run.stop()
    assert ended(run, job)["code"] != 0
    run.start(job)
    run.stop()
    ended(run, job)


def test_the_page_is_told_how_far_a_job_is_and_nothing_runs_that_is_no_job(tmp_path: Path) -> None:
    folder = photo_folder(tmp_path)
    job = Path(write_job(folder))
    run = command("print('labelled')")
    for what, code in ((job, 200), (folder / "photos", 400)):
        work = open_work(str(what), Storage())
        opened = Work(work.review, work.draft, run=run)
        app = make_app(Entry(8765, TOKEN, frozenset({"127.0.0.1"})), "ann", opened)
        client = TestClient(app, base_url=ADDRESS, headers={"Origin": ADDRESS})
        assert client.get(f"/?token={TOKEN}").status_code == 200
        assert client.post("/api/run", json={}).status_code == code
        found = ended(run, job)
        assert client.get("/api/run").status_code == code
        if code == 200:
            assert found["log"] == "labelled\n"
            look = client.get("/api/run").json()
            assert (look["state"], look["over"], look["done"]) == ("unknown", True, False)
            assert (look["total"], look["output"]) == (2, str(folder / "out"))
