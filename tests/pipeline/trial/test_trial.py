"""A job tried on a few images: the labels are those of `vrp label`, thresholds move without it."""

import time
from pathlib import Path
from typing import Any

import pytest

from jobs.terminal.job_file import read_job
from pipeline.cluster.unit_table import unit_to_table
from pipeline.inputs.sample import choose_sample, read_sample
from pipeline.inputs.shards import read_units
from pipeline.inputs.sources import cut_list, plan_shards
from pipeline.label.actor import SegmentTask, SegmentUnits
from pipeline.label.check import check
from pipeline.label.rows import RowContext
from pipeline.output.unit import UnitName
from pipeline.storage.tables import from_parquet
from pipeline.trial.moved import Moved
from pipeline.trial.trial import Trial, Trials
from schemas.job.label import LabelJob
from tests.made.jobs.commands import photo_folder, write_job
from tests.made.pixels.photos import photo, tar_of


@pytest.fixture
def job(tmp_path: Path) -> LabelJob:
    folder = photo_folder(tmp_path)
    (folder / "photos/2.jpg").write_bytes(b"no image")
    return read_job(LabelJob, Path(write_job(folder)))


def ended(trial: Trial) -> Trial:
    deadline = time.monotonic() + 60
    while trial.state not in {"done", "failed", "stopped"}:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return trial


def with_presence(job: LabelJob, least: float) -> LabelJob:
    return job.model_copy(update={"method": job.method.model_copy(update={"min_presence": least})})


def labelled(job: LabelJob) -> list[dict[str, Any]]:
    """Return the rows that an actor of `vrp label` commits."""
    checked = check(job)
    ids = {1: tuple(reference.id for reference in checked.references)}
    context = RowContext(checked.identity, ids, job.thresholds)
    (shard,) = checked.inputs.shards
    (unit,) = read_units(shard, job.targets, job.storage, job.limits)
    SegmentUnits(SegmentTask(job, checked.references, context, 0.0))(unit_to_table(unit))
    part = checked.output.below(UnitName(unit.shard_id, 0, True).path)
    return from_parquet(part.read()).to_pylist()


def without_decision(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    about = {"image_id", "uri", "exif_orientation", "probability", "decision"}
    return [{key: row[key] for key in row if key not in about} for row in rows]


@pytest.mark.parametrize("least", [-1.0, 2**-60, 1.0])
def test_a_try_gives_what_vrp_label_writes_and_a_moved_threshold_too(
    job: LabelJob, least: float
) -> None:
    trials = Trials()
    trial = ended(trials.begin(job))
    assert (trial.state, trial.said, len(trial.tried), trial.total) == ("done", "", 3, 3)
    assert trial.moved == Moved()
    wanted = without_decision(labelled(with_presence(job, least)))
    moved = Moved(min_presence=least)
    got = [row for place in (0, 1) for row in trial.rows(place, moved)]
    for row in (*got, *wanted):  # the jobs differ in the threshold itself
        del row["job_fingerprint"], row["model_fingerprint"]
    assert without_decision(got) == wanted
    assert trial.rows(2, moved) == []
    assert "no known image format" in str(trial.tried[2].outcome)


def test_a_try_that_cannot_be_says_why_and_the_next_one_works(job: LabelJob) -> None:
    trials = Trials()
    [reference] = job.references
    lost = job.model_copy(
        update={"references": (reference.model_copy(update={"image": "gone.jpg"}),)}
    )
    trial = ended(trials.begin(lost))
    assert trial.state == "failed"
    assert "gone.jpg" in trial.said
    assert ended(trials.begin(job)).state == "done"


def test_a_try_begun_while_another_runs_takes_its_place(job: LabelJob) -> None:
    trials = Trials()
    first, second = trials.begin(job), trials.begin(job)
    assert ended(second).state == "done"
    assert ended(first).state == "stopped"
    assert trials.last is second


def test_a_sample_is_spread_over_a_list_and_over_tars(tmp_path: Path) -> None:
    images = [(f"{number:03d}", f"/photos/{number:03d}.jpg") for number in range(100)]
    chosen = choose_sample(cut_list(images, "/photos", 30), 5)
    names = [image_id for shard in chosen for image_id, _ in shard.images]
    assert names == ["000", "025", "050", "074", "099"]
    for number in range(10):
        tar = tar_of({f"{k}.jpg": photo(k) for k in range(4)})
        (tmp_path / f"{number}.tar").write_bytes(tar)
    tars = {"type": "webdataset", "shards": str(tmp_path / "*.tar")}
    job = read_job(LabelJob, Path(write_job(photo_folder(tmp_path), targets=tars)))
    shards = plan_shards(job.targets, job.storage, 256)
    read = list(read_sample(choose_sample(shards, 4), job))
    assert [image.image_id for image in read] == ["0/0", "3/0", "6/0", "9/0"]
    assert len(list(read_sample(choose_sample(shards[:2], 6), job))) == 6
