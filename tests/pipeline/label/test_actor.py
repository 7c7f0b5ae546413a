"""One actor's work: units in, committed parts out, one bad image never costs another."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from PIL import Image
from torch import Tensor

import pipeline.label.actor
from model.segmenter import Prediction
from pipeline.cluster.units import UNIT_SCHEMA, table_to_units, unit_to_table
from pipeline.inputs.shards import EncodedImage, Unit, read_units
from pipeline.label.actor import SegmentTask, SegmentUnits, segment_images
from pipeline.label.check import check
from pipeline.label.retry import Retry
from pipeline.label.rows import RowContext, label_rows
from pipeline.output.attempts import Note
from pipeline.output.unit import UnitName, list_units
from schemas.commit import Identity
from schemas.errors import ImageRejected
from schemas.label import LabelJob, Thresholds
from schemas.receipt import Receipt
from tests.schemas.test_label import job


class MeanColour:
    """A segmenter of ours whose mask is known: bright images are all foreground, dark ones empty.

    It raises on batches larger than `memory`, and on any image with a pure red corner.
    """

    def __init__(self, memory: int = 100) -> None:
        self.memory = memory
        self.calls: list[int] = []

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        del embeddings
        self.calls.append(len(images))
        if len(images) > self.memory:
            raise MemoryError(f"{len(images)} images")
        if any((image[0, 0] == (255, 0, 0)).all() for image in images):
            raise RuntimeError("a poisoned image")
        return [self._predict(image) for image in images]

    def _predict(self, image: np.ndarray) -> tuple[Prediction, ...]:
        logits = np.full((8, 8), 5.0 if image.mean() > 127 else -5.0, np.float32)
        return (Prediction(1, logits, 0.9, "squash"),)


def png(colour: tuple[int, int, int], size: tuple[int, int] = (12, 10)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (255, 0, 0)


def unit(*images: bytes | ImageRejected) -> Unit:
    encoded = [
        EncodedImage(f"{i}", f"s3://b/a.tar#{i}", b"", image)
        if isinstance(image, ImageRejected)
        else EncodedImage(f"{i}", f"s3://b/a.tar#{i}", image)
        for i, image in enumerate(images)
    ]
    return Unit("0" * 16, 0, last=True, images=tuple(encoded))


@pytest.fixture
def actor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SegmentUnits:
    monkeypatch.setattr(pipeline.label.actor, "build_segmenter", lambda *_: MeanColour(memory=2))
    spec = LabelJob.model_validate(job(output={"uri": str(tmp_path)}, compute={"batch_size": 3}))
    identity = Identity(
        fingerprint="f",
        model_fingerprint="m",
        fields={},
        categories=spec.numbered_categories(),
        source="webdataset",
        random_weights=spec.random_weights,
    )
    context = RowContext(identity, {1: ("r1",), 2: ("r2",)}, Thresholds())
    return SegmentUnits(SegmentTask(spec, (), context, gpus=0.0))


def receipts(actor: SegmentUnits, work: Unit) -> list[Receipt]:
    rows = actor(unit_to_table(work))["receipt"]
    return [Receipt.model_validate_json(row) for row in rows]


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


def test_every_image_of_a_unit_is_labelled_empty_or_rejected(actor, tmp_path: Path) -> None:
    fault = ImageRejected("unsafe-name", "../x.jpg")
    work = unit(png(WHITE), b"not an image", png(RED), png(BLACK), fault, png(WHITE))
    (receipt,) = receipts(actor, work)
    part = receipt.part
    assert (part.images, part.labelled, part.empty, part.rejected) == (6, 2, 1, 3)
    labels = pq.read_table(tmp_path / part.path).to_pylist()
    assert [(row["image_id"], row["status"], row["area_px"]) for row in labels] == [
        ("0", "labelled", 120),
        ("3", "empty", 0),
        ("5", "labelled", 120),
    ]
    assert all(row["random_weights"] for row in labels)
    assert part.rejected_path is not None
    rejected = pq.read_table(tmp_path / part.rejected_path).to_pylist()
    assert {row["image_id"]: row["reason"] for row in rejected} == {
        "1": "decode",
        "2": "model",
        "4": "unsafe-name",
    }


def test_a_unit_committed_before_is_not_segmented_again(actor) -> None:
    work = unit(png(WHITE))
    first = receipts(actor, work)
    calls = len(actor._segmenter.calls)
    again = receipts(actor, work)
    assert [receipt.part for receipt in again] == [receipt.part for receipt in first]
    assert len(actor._segmenter.calls) == calls


class Died(BaseException):
    """A process that ends: no handler of the product may catch it."""


class Killer(MeanColour):
    """A segmenter that ends the process on any image with a pure red corner."""

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        if any((image[0, 0] == (255, 0, 0)).all() for image in images):
            raise Died
        return super().segment(images, embeddings)


def test_images_that_kill_their_process_are_found_and_their_neighbours_labelled(
    actor, tmp_path: Path
) -> None:
    actor._segmenter = Killer()
    work = unit(*[png(WHITE)] * 4, png(RED), png(BLACK), png(RED), png(WHITE))
    deaths = 0
    while True:
        try:
            (receipt,) = receipts(actor, work)
            break
        except Died:
            deaths += 1
    # Two to see the batch and twice the image alone, for the first; three for one in another batch.
    assert deaths == 4 + 3
    part = receipt.part
    assert (part.images, part.labelled, part.empty, part.rejected) == (8, 5, 1, 2)
    assert part.rejected_path is not None
    rejected = pq.read_table(tmp_path / part.rejected_path).to_pylist()
    assert [(row["image_id"], row["reason"]) for row in rejected] == [
        ("4", "crash"),
        ("6", "crash"),
    ]
    assert not list((tmp_path / "attempts").iterdir())


def test_an_image_whose_masks_do_not_fit_in_memory_costs_no_neighbour(
    actor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(predictions, size_HW, context):
        if size_HW == (30, 40):
            raise MemoryError("30 x 40")
        return label_rows(predictions, size_HW, context)

    monkeypatch.setattr(pipeline.label.actor, "label_rows", no_room)
    (receipt,) = receipts(actor, unit(png(WHITE), png(WHITE, (40, 30)), png(WHITE)))
    assert (receipt.part.labelled, receipt.part.rejected) == (2, 1)
    assert receipt.part.rejected_path is not None
    (row,) = pq.read_table(tmp_path / receipt.part.rejected_path).to_pylist()
    assert (row["image_id"], row["reason"]) == ("1", "out-of-memory")


def test_a_retry_labels_the_images_of_its_reasons_and_keeps_every_other_row(
    actor, tmp_path: Path
) -> None:
    work = unit(png(WHITE), png(RED), b"not an image", png(BLACK))
    (first,) = receipts(actor, work)
    assert first.part.rejected == 2
    name = UnitName(work.shard_id, work.number, work.last)
    actor._segmenter = Killer()  # which must see no image but the red one
    again = Retry(frozenset({"model"}), {(work.shard_id, work.number): name}, 1, 2)
    mended = Unit(
        work.shard_id,
        0,
        last=True,
        images=tuple(
            EncodedImage("1", image.uri, png(WHITE)) if image.image_id == "1" else image
            for image in work.images
        ),
    )
    actor._task = replace(actor._task, retry=again)
    (second,) = receipts(actor, mended)
    part = second.part
    assert part.path == first.part.path.replace(".parquet", "-r1.parquet")
    assert (part.labelled, part.empty, part.rejected) == (2, 1, 1)
    labels = pq.read_table(tmp_path / part.path).to_pylist()
    assert [row["image_id"] for row in labels] == ["0", "1", "3"]
    before = pq.read_table(tmp_path / first.part.path).to_pylist()
    assert [labels[0], labels[2]] == before
    assert actor._segmenter.calls == [1]
    assert list_units(LocalFileSystem(), str(tmp_path)) == {replace(name, revision=1)}


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
        (receipt,) = receipts(actor, work)
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


def test_a_batch_that_does_not_fit_is_halved_until_it_does() -> None:
    segmenter = MeanColour(memory=2)
    images = [np.full((4, 4, 3), 200, np.uint8)] * 6
    outcomes = segment_images(segmenter, images)
    assert all(isinstance(outcome, tuple) for outcome in outcomes)
    assert segmenter.calls[0] == 6
    assert max(call for call in segmenter.calls if call <= 2) == 2


def test_an_image_that_does_not_fit_alone_is_out_of_memory() -> None:
    (outcome,) = segment_images(MeanColour(memory=0), [np.zeros((4, 4, 3), np.uint8)])
    assert isinstance(outcome, ImageRejected)
    assert outcome.reason == "out-of-memory"
