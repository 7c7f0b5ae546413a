"""One actor's work: units in, committed parts out, each once."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from torch import Tensor

from model.segmenter import Prediction
from pipeline.cluster.unit_table import UNIT_SCHEMA, table_to_units, unit_to_table
from pipeline.inputs.shards import EncodedImage, Unit, read_units
from pipeline.label import actor
from pipeline.label.actor import SegmentTask, SegmentUnits
from pipeline.label.check import check
from pipeline.label.retry import Retry
from pipeline.label.rows import RowContext
from pipeline.output.attempts import Note
from pipeline.output.unit import UnitName, list_units
from pipeline.storage.place import Place
from schemas.errors import BadStorage, ImageRejected
from schemas.job.label import LabelJob, Thresholds
from schemas.job.storage import Storage
from schemas.record.commit import Part
from schemas.record.receipt import Receipt
from tests.made.jobs.label_jobs import job
from tests.made.outputs.units import (
    BLACK,
    RED,
    WHITE,
    Died,
    Killer,
    MeanColour,
    png,
    row_context,
    unit,
)


@pytest.fixture
def task(tmp_path: Path) -> SegmentTask:
    spec = LabelJob.model_validate(job(output={"uri": str(tmp_path)}, compute={"batch_size": 3}))
    return SegmentTask(spec, (), row_context(spec), gpus=0.0)


def receipt_of(units: SegmentUnits, work: Unit) -> Receipt:
    (row,) = units(unit_to_table(work))["receipt"]
    return Receipt.model_validate_json(row)


def test_a_unit_survives_the_trip_through_arrow() -> None:
    work = unit(png(WHITE), ImageRejected("no-image", "only a text"))
    table = unit_to_table(work)
    assert table.schema == UNIT_SCHEMA
    (back,) = table_to_units(table)
    assert [(i.image_id, i.uri, i.data) for i in back.images] == [
        (i.image_id, i.uri, i.data) for i in work.images
    ]
    assert back.images[1].fault is not None
    assert back.images[1].fault.args == ("no-image", "only a text")


def test_a_receipt_counts_what_the_part_holds(task: SegmentTask, tmp_path: Path) -> None:
    work = unit(png(WHITE), b"not an image", png(RED), png(BLACK), png(WHITE))
    part = receipt_of(SegmentUnits(task, MeanColour()), work).part
    assert (part.images, part.labelled, part.empty, part.rejected) == (5, 2, 1, 2)
    assert len(pq.read_table(tmp_path / part.path)) == 3
    assert part.rejected_path is not None
    assert len(pq.read_table(tmp_path / part.rejected_path)) == 2
    assert not list((tmp_path / "attempts").iterdir())


def test_a_unit_committed_before_is_not_segmented_again(task: SegmentTask) -> None:
    first = receipt_of(SegmentUnits(task, MeanColour()), unit(png(WHITE)))
    idle = MeanColour()
    again = receipt_of(SegmentUnits(task, idle), unit(png(WHITE)))
    assert again.part == first.part
    assert not idle.calls


def test_a_unit_whose_process_died_is_done_by_the_next_one_and_its_note_removed(
    task: SegmentTask, tmp_path: Path
) -> None:
    work = unit(png(WHITE), png(RED))
    deaths = 0
    while True:
        try:
            receipt = receipt_of(SegmentUnits(task, Killer()), work)
            break
        except Died:
            deaths += 1
            assert list((tmp_path / "attempts").iterdir())
    assert deaths == 4
    assert (receipt.part.labelled, receipt.part.rejected) == (1, 1)
    assert not list((tmp_path / "attempts").iterdir())


def test_a_retry_labels_the_images_of_its_reasons_and_keeps_every_other_row(
    task: SegmentTask, tmp_path: Path
) -> None:
    work = unit(png(WHITE), png(RED), b"not an image", png(BLACK))
    first = receipt_of(SegmentUnits(task, MeanColour()), work)
    assert first.part.rejected == 2
    name = UnitName(work.shard_id, work.number, work.last)
    again = Retry(frozenset({"model"}), {(work.shard_id, work.number): first.part}, 1, 2)
    mended = Unit(
        work.shard_id,
        0,
        last=True,
        images=tuple(
            EncodedImage("1", image.uri, png(WHITE)) if image.image_id == "1" else image
            for image in work.images
        ),
    )
    segmenter = MeanColour()
    part = receipt_of(SegmentUnits(replace(task, retry=again), segmenter), mended).part
    assert part.path == first.part.path.replace(".parquet", "-r1.parquet")
    assert (part.labelled, part.empty, part.rejected) == (2, 1, 1)
    labels = pq.read_table(tmp_path / part.path).to_pylist()
    assert [row["image_id"] for row in labels] == ["0", "1", "3"]
    before = pq.read_table(tmp_path / first.part.path).to_pylist()
    assert [labels[0], labels[2]] == before
    assert segmenter.calls == [1]
    assert list_units(Place.open(str(tmp_path), Storage())) == {replace(name, revision=1)}


def test_a_retry_takes_over_nothing_that_is_not_what_was_committed(
    task: SegmentTask, tmp_path: Path
) -> None:
    work = unit(png(WHITE), png(RED))
    first = receipt_of(SegmentUnits(task, MeanColour()), work).part
    again = Retry(frozenset({"model"}), {(work.shard_id, work.number): first}, 1, 1)
    rows = pq.read_table(tmp_path / first.path)
    pq.write_table(rows, tmp_path / first.path, compression="gzip")
    with pytest.raises(BadStorage, match="not the one that was committed"):
        receipt_of(SegmentUnits(replace(task, retry=again), MeanColour()), work)


@pytest.mark.parametrize("retried", [False, True])
def test_a_unit_that_holds_other_images_than_it_was_committed_with_is_refused(
    retried: bool, task: SegmentTask
) -> None:
    work = unit(png(WHITE), png(RED))
    first = receipt_of(SegmentUnits(task, MeanColour()), work).part
    again = Retry(frozenset({"model"}), {(work.shard_id, work.number): first}, 1, 1)
    other = replace(work, images=(work.images[0], replace(work.images[1], image_id="7")))
    with pytest.raises(BadStorage, match="1 of the 2 images that unit 0 was made of"):
        receipt_of(
            SegmentUnits(replace(task, retry=again if retried else None), MeanColour()), other
        )


def test_a_unit_done_image_by_image_has_the_bytes_of_an_undisturbed_one(tmp_path: Path) -> None:
    """On the real networks: copies of an image at its place in a batch round as the batch did."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(7):
        (photos / f"{number}.png").write_bytes(noise(number))
    (photos / "3.png").write_bytes(b"not an image")
    written = []
    for bad_batches in ((), (0, 1)):
        output = tmp_path / f"out-{len(bad_batches)}"
        spec = nano_job(photos, output)
        checked = check(spec)
        context = RowContext(checked.identity, {1: ("r1",)}, Thresholds())
        actor = SegmentUnits(SegmentTask(spec, checked.references, context, gpus=0.0))
        (shard,) = checked.plan.shards
        (work,) = read_units(shard, spec.targets, spec.storage, spec.limits)
        name = UnitName(work.shard_id, work.number, work.last)
        note = Note(tries=1, bad_batches=bad_batches)
        if bad_batches:
            (output / "attempts").mkdir(parents=True)
            (output / "attempts" / f"{name}.json").write_text(note.model_dump_json())
        receipt = receipt_of(actor, work)
        assert receipt.part.rejected == 1
        written.append((output / receipt.part.path).read_bytes())
    assert written[0] == written[1]


def noise(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (5, 6, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    small.resize((70 + seed, 60), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


def nano_job(photos: Path, output: Path) -> LabelJob:
    nano = {"type": "nano", "weights": "random:1"}
    reference = {
        "category": "cat",
        "image": str(photos / "0.png"),
        "annotation": {"type": "box", "xyxy": [5, 5, 40, 40]},
    }
    return LabelJob.model_validate(
        {
            "targets": {"type": "images", "uris": str(photos)},
            "references": [reference],
            "method": {"type": "vrp", "weights": "random:2", "sam": nano, "backbone": nano},
            "output": {"uri": str(output)},
            "allow_random_weights": True,
            "compute": {"batch_size": 4, "precision": "fp32"},
        }
    )


class Alone(MeanColour):
    """Segments for one caller at a time, and says when the second unit begins."""

    def __init__(self) -> None:
        super().__init__()
        self.second = Event()
        self._at_work = Lock()

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        """Segment; fails where another call is not over."""
        assert self._at_work.acquire(blocking=False)
        try:
            predictions = super().segment(images, embeddings)
        finally:
            self._at_work.release()
        if len(self.calls) == 2:
            self.second.set()
        return predictions


def test_while_one_unit_is_written_the_next_one_has_the_model(
    task: SegmentTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = Alone()
    real = actor.write_unit

    def write_unit(output: Place, name: UnitName, *rest: Any, **counts: int) -> Part:
        # Whichever comes first waits for the other's model.
        assert segmenter.second.wait(timeout=30)
        return real(output, name, *rest, **counts)

    monkeypatch.setattr(actor, "write_unit", write_unit)
    units = SegmentUnits(task, segmenter)
    work = [replace(unit(png(WHITE)), number=number) for number in range(2)]
    with ThreadPoolExecutor(2) as threads:
        receipts = list(threads.map(lambda one: receipt_of(units, one), work))
    assert [receipt.part.labelled for receipt in receipts] == [1, 1]
