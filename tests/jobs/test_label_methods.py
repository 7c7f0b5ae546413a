"""vrp label with every method: the job is checked as it would run, weights included."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.storage.files import open_filesystem
from schemas.job.storage import Storage
from tests.made.jobs.commands import photo_folder, run, write_job

LITE = {"type": "lite", "weights": "lite-sam"}
BACKBONE = {"type": "efficientnet_lite2", "weights": "efficientnet-lite2"}
METHODS: list[dict[str, Any]] = [
    {"type": "gp_sam", "sam": LITE, "backbone": BACKBONE, "prompt": "box"},
    {"type": "persam", "sam": LITE},
    {"type": "persam_f", "sam": LITE, "backbone": BACKBONE, "min_presence": 0.3},
    {"type": "matcher", "sam": LITE, "backbone": BACKBONE, "proposals": 8},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return photo_folder(tmp_path)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method["type"])
def test_a_job_with_each_method_is_planned_with_the_packaged_weights(
    folder: Path, capsys: pytest.CaptureFixture[str], method: dict[str, Any]
) -> None:
    job = write_job(folder, method=method, allow_random_weights=False)
    code, out, err = run(capsys, "label", job, "--dry-run", "--json")
    assert code == 0, err
    assert yaml.safe_load(out)["random_weights"] == []
    fs, path = open_filesystem(str(folder / "out"), Storage())
    assert not fs.exists(path)


def test_an_unknown_method_is_told_with_the_ones_there_are(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "label", write_job(folder, method={"type": "persamm", "sam": LITE}))
    assert code == 2
    assert all(name in err for name in ("gp_sam", "persam", "persam_f", "matcher", "vrp"))


def test_help_names_every_method(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "label", "--help")
    assert code == 0
    assert all(method["type"] in out for method in METHODS)
