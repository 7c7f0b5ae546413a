"""What an operator sees of the episodes that training would draw."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from jobs.episodes import episodes
from schemas.errors import BadInput
from tests.made.data.datasets import write_folder

app = typer.Typer()
app.command()(episodes)


@pytest.fixture
def job(tmp_path: Path) -> Path:
    dataset = write_folder(tmp_path / "photos", {"cat": 4, "dog": 4, "hat": 2})
    (tmp_path / "photos/hat/1.png").unlink()
    path = tmp_path / "job.yaml"
    document = {
        "dataset": {**dataset, "root": "photos"},
        "index": "index",
        "episodes": {"per_epoch": 20, "formats": {"points": 1, "mask": 1}},
    }
    path.write_text(yaml.safe_dump(document))
    return path


def _run(job: Path, *options: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [str(job), "--json", *options])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.splitlines()[-1])


def test_an_epoch_is_counted_listed_and_hashed(job: Path) -> None:
    summary = _run(job)
    assert summary["episodes"] == summary["distinct_pairs"] == len(summary["drawn"]) == 20
    assert summary["categories"] == {"cat": 4, "dog": 4}
    assert summary["too_few_images"] == ["hat"]
    assert summary["problems"] == {"missing-mask": 1}
    assert summary["fewest_and_most_per_category"] == [10, 10]
    assert _run(job)["sha256"] == summary["sha256"]
    assert _run(job, "--epoch", "1")["sha256"] != summary["sha256"]
    assert _run(job, "--set", "seed=9")["sha256"] != summary["sha256"]


def test_workers_shares_are_the_epoch(job: Path) -> None:
    shares = [_run(job, "--share", f"{worker}/3")["drawn"] for worker in range(3)]
    together = sorted((e for share in shares for e in share), key=lambda e: e["number"])
    assert together == _run(job)["drawn"]


@pytest.mark.parametrize("share", ["3/3", "1", "-1/2", "0/0"])
def test_a_share_that_does_not_exist_is_the_users_error(job: Path, share: str) -> None:
    done = CliRunner().invoke(app, [str(job), "--share", share])
    assert isinstance(done.exception, BadInput)
