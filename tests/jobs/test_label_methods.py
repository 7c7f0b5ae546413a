"""vrp label with every method: the job is checked as it would run, weights included."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.storage.files import open_filesystem
from schemas.job.storage import Storage
from tests.made.commands import photo_folder, run, write_job

NANO = {"type": "nano", "weights": "nano-sam"}
BACKBONE = {"type": "nano", "weights": "nano-backbone"}
METHODS: list[dict[str, Any]] = [
    {"type": "gp_sam", "sam": NANO, "backbone": BACKBONE, "prompt": "box"},
    {"type": "persam", "sam": NANO},
    {"type": "persam_f", "sam": NANO, "backbone": BACKBONE, "min_presence": 0.3},
    {"type": "matcher", "sam": NANO, "backbone": BACKBONE, "proposals": 8},
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
    code, _, err = run(capsys, "label", write_job(folder, method={"type": "persamm", "sam": NANO}))
    assert code == 2
    assert all(name in err for name in ("gp_sam", "persam", "persam_f", "matcher", "vrp"))


def test_help_names_every_method(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "label", "--help")
    assert code == 0
    assert all(method["type"] in out for method in METHODS)
