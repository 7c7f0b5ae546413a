"""What a command says in its last lines: why it ended, and what follows; nothing of it is cut."""

from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from ray.exceptions import RayError

from jobs import main as main_module
from jobs.terminal.console import LINES_FD
from schemas.record.presence import HEADS
from tests.made.jobs.commands import photo_folder, run, write_job
from tests.made.networks.presence import HEAD
from tests.made.pixels.photos import photo


def fails(*_: object) -> None:
    raise RayError("ray::SegmentUnits()\n  a stack of a worker\nFileNotFoundError: no weights")


def test_a_worker_that_failed_is_told_with_its_reason_and_what_follows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main_module, "app", fails)
    code, _, err = run(capsys, "label", "job.yaml")
    assert code == 1
    assert "error: a worker failed: FileNotFoundError: no weights\n" in err
    assert "run the same command again to go on" in err
    # A submitted command is begun again, and what repeats it says so.
    monkeypatch.setenv(LINES_FD, "2")
    assert "again" not in main_module._of_worker("FileNotFoundError: no weights")


def test_a_plan_is_told_in_lines_that_are_never_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    output = str(tmp_path / ("far/" * 40) / "out")
    job = write_job(photo_folder(tmp_path), output={"uri": output})
    code, out, err = run(capsys, "plan", job)
    assert code == 0, err
    assert output in out
    assert "…" not in out


def test_a_plan_says_that_images_choose_among_many_references(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photo_folder(tmp_path)
    job = yaml.safe_load(Path(write_job(folder)).read_text())
    (first,) = job["references"]
    boxes = [{"type": "box", "xyxy": [1, 2, 30, 40 + n]} for n in range(11)]
    many = [first | {"annotation": box} for box in boxes]
    few, routed = many[:10], job["method"] | {"best_references": 5}
    every = job["method"] | {"best_references": "all"}
    for changes, advised in (
        ({"references": many}, True),
        ({"references": few}, False),
        ({"references": many, "method": routed}, False),
        ({"references": many, "method": every}, False),
    ):
        code, out, err = run(capsys, "plan", write_job(folder, **changes))
        assert code == 0, err
        assert ("advice: cat has 11 references" in out) == advised


def test_a_plan_advises_a_second_photo_where_negatives_would_change_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = photo_folder(tmp_path)
    (folder / "empty.jpg").write_bytes(photo(7))
    (folder / "second.jpg").write_bytes(photo(8))
    (folder / "head.json").write_bytes(HEADS.dump_json((HEAD,)))
    job = yaml.safe_load(Path(write_job(folder)).read_text())
    (first,) = job["references"]
    asked = {
        "thresholds": {"recall": 0.9},
        "negatives": ["empty.jpg"],
        "presence_head": "head.json",
    }
    second = first | {"image": "second.jpg"}
    for references, advised in (([first], True), ([first, second], False)):
        job_file = write_job(folder, references=references, **asked)
        code, out, err = run(capsys, "plan", job_file)
        assert code == 0, err
        assert ("advice: the negatives change nothing" in out) == advised


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--version")
    assert (code, out.strip()) == (0, version("vrp-label"))
