"""What the demo makes before it labels: its folder, its references, its job."""

from pathlib import Path

import pytest
import yaml

from examples.demo import SHOWN, Recipe, examples, job_of, make_folder, scribble, touches_edge
from jobs.terminal.job_file import read_job
from pipeline.label.references import load_references
from schemas.job.label import LabelJob
from tests.made.outputs.labels import square


def test_a_second_run_finds_its_folder_as_it_was(tmp_path: Path) -> None:
    make_folder(tmp_path / "demo", Recipe(5))
    (tmp_path / "demo/labels").write_text("hours of work")
    make_folder(tmp_path / "demo", Recipe(5))
    assert (tmp_path / "demo/labels").read_text() == "hours of work"


def test_other_weights_begin_anew(tmp_path: Path) -> None:
    make_folder(tmp_path / "demo", Recipe(5, weights=("b" * 64,)))
    (tmp_path / "demo/labels").write_text("of older weights")
    make_folder(tmp_path / "demo", Recipe(5, weights=("a" * 64,)))
    assert not (tmp_path / "demo/labels").exists()


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("chapter 1")
    with pytest.raises(SystemExit, match="not the demo's"):
        make_folder(tmp_path, Recipe(5))
    assert (tmp_path / "thesis.txt").is_file()


def test_references_show_one_whole_object() -> None:
    drawn = next(examples("gear"))
    masks = [mask_HW for name, mask_HW in drawn.instances if name == "gear"]
    assert len(masks) == 1
    assert not touches_edge(masks[0])
    assert touches_edge(square(0, 5, 9))
    assert not touches_edge(square(1, 5, 9))


def test_a_scribble_stays_on_the_object(tmp_path: Path) -> None:
    mask_HW = next(examples("fish")).mask_of("fish")
    (stroke,) = scribble(mask_HW)["strokes"]
    assert all(mask_HW[int(y), int(x)] for x, y in stroke)


def test_the_job_is_one_that_vrp_label_accepts(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job_of(tmp_path)))
    job = read_job(LabelJob, tmp_path / "job.yaml")
    forms = {reference.category: reference.annotation.type for reference in job.references}
    assert forms == {"mug": "mask", "gear": "box", "fish": "scribbles", "umbrella": "points"}
    assert len(job.references) == sum(shown.references for shown in SHOWN)
    loaded = load_references(job.references, job.numbered_categories(), job.limits, job.storage)
    assert len(loaded) == len(job.references)
