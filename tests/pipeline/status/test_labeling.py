"""How far a job is, read from its output alone."""

from pathlib import Path

import pytest

from pipeline.output.commit import write_commit
from pipeline.output.identity import claim_output
from pipeline.output.plan import extend_plan
from pipeline.output.unit import UnitName, list_units, write_unit
from pipeline.status.find import EmbedStatus, EvaluateStatus, read_status
from pipeline.status.labeling import LabelStatus
from pipeline.status.training import TrainStatus
from pipeline.storage.place import Place
from pipeline.train.metrics import write_metrics
from schemas.errors import BadStorage
from schemas.job.storage import Storage
from schemas.job.train import FoldResult, TrainIdentity
from tests.made.outputs import predictions
from tests.made.outputs.committed import rejected_row
from tests.made.outputs.shards import tar

HERE = Storage()
A, B = "a" * 16, "b" * 16
IDENTITY = predictions.IDENTITY.model_copy(update={"source": "webdataset"})


def label_status(folder: Path) -> LabelStatus:
    found = read_status(str(folder), HERE)
    assert isinstance(found, LabelStatus)
    return found


def commit_unit(folder: Path, unit: UnitName, images: int) -> None:
    output = Place.open(str(folder), HERE)
    rejected = [rejected_row(f"{unit}/{number}") for number in range(images)]
    write_unit(output, unit, [], rejected, images=images)


def test_a_labeling_job_is_as_far_as_its_units_are_committed(tmp_path: Path) -> None:
    output = Place.open(str(tmp_path), HERE)
    assert read_status(str(tmp_path), HERE) is None
    claim_output(output, IDENTITY)
    plan = extend_plan(output, [tar(A), tar(B)])
    begun = label_status(tmp_path)
    assert (begun.shards, begun.shards_finished, begun.units, begun.done) == (2, 0, 0, False)

    commit_unit(tmp_path, UnitName(A, 0, False), 3)
    commit_unit(tmp_path, UnitName(A, 1, True), 1)
    output.below(f"attempts/{UnitName(B, 0, True)}.json").replace(b"{}")
    output.below(f"attempts/{UnitName(A, 1, True)}.json").replace(b"{}")
    half = label_status(tmp_path)
    assert (half.shards_finished, half.units, half.units_with_rejected) == (1, 2, 2)
    assert half.images_least == half.images_most == 4  # a tar's last unit was looked into
    assert half.units_at_work == (str(UnitName(B, 0, True)),)
    assert half.counts is None

    commit_unit(tmp_path, UnitName(B, 0, True), 2)
    assert not label_status(tmp_path).done
    write_commit(output, IDENTITY, plan, {}, list_units(output))
    for half_written in ("runs/.a.json", "rejected/.a.parquet", "plan/.00001.parquet"):
        output.below(f"{half_written}.0123.tmp").replace(b"")  # as a kill leaves it
    done = label_status(tmp_path)
    assert done.done
    assert (done.units_with_rejected, done.runs) == (3, ())
    assert done.counts is not None
    assert done.counts.images == 6


def test_a_training_job_is_as_far_as_its_newest_checkpoint(tmp_path: Path) -> None:
    output = Place.open(str(tmp_path), HERE)
    fields = {"recipe.epochs": "2", "recipe.batch": "8", "recipe.episodes_per_epoch": "16"}
    identity = TrainIdentity(fingerprint="f", fields=fields)
    output.below("job.json").replace(identity.model_dump_json().encode())
    row = {"epoch": 0, "learning_rate": 0.1, "episodes_per_s": 2.0, "workers": 3}
    for fold in (0, 1):
        for step, miou in ((0, 0.25), (1, None)):
            rows = [{**row, "step": step, "loss": 1.5 - step, "held_out_miou": miou}]
            write_metrics(output.below(f"fold-{fold}"), rows)
    output.below("fold-2/metrics/.0000000000.parquet.0123.tmp").replace(b"")
    result = FoldResult(
        fold=1, weights="w", weights_sha256="", steps=4, episodes=32, best_step=2, best_miou=0.5,
        last_loss=0.125,
    )  # fmt: skip
    output.below("fold-1/result.json").replace(result.model_dump_json().encode())
    found = read_status(str(tmp_path), HERE)
    assert isinstance(found, TrainStatus)
    assert (found.steps, found.done) == (4, False)
    at_work, finished, _ = found.folds
    assert (at_work.step, at_work.loss, at_work.workers, at_work.weights) == (2, 0.5, 3, None)
    assert (finished.done, finished.step, finished.held_out_miou) == (True, 4, 0.5)


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ([f"{A}/model.json", f"{A}/shards/{B}-00000-last.safetensors"], EmbedStatus),
        (["episodes-0123.parquet", "parts/0/m/0.parquet"], EvaluateStatus),
        (["inputs/0123.jpg"], type(None)),
    ],
)
def test_stores_and_evaluations_are_told_apart(
    names: list[str], wanted: type, tmp_path: Path
) -> None:
    output = Place.open(str(tmp_path), HERE)
    for name in names:
        output.below(name).replace(b"x")
    assert isinstance(read_status(str(tmp_path), HERE), wanted)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(BadStorage, match=r"no job's output"):
        read_status(str(tmp_path), HERE)
    (tmp_path / "job.json").write_text("{")
    with pytest.raises(BadStorage, match=r"job\.json"):
        read_status(str(tmp_path), HERE)
