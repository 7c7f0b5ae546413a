"""One unit's labels: each image labelled, empty or rejected, and no bad one costs another."""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Barrier
from typing import Any, cast

import numpy as np
import pytest
from torch import Tensor

from model.segmenter import Prediction, Segmenter
from pipeline.embed.store import EmbeddingStore
from pipeline.inputs.shards import Unit
from pipeline.label import stages
from pipeline.label.stages import Labelled
from pipeline.label.unit_labeler import UnitLabeler
from schemas.errors import ImageRejected
from schemas.job.compute import Compute, Limits
from schemas.job.label import LabelJob
from tests.made.jobs.label_jobs import job
from tests.made.outputs.units import (
    BLACK,
    RED,
    WHITE,
    Died,
    Killer,
    MeanColour,
    attempt_at,
    png,
    row_context,
    unit,
)


def label(segmenter: Segmenter, work: Unit, folder: Path) -> Labelled:
    """Label a unit once, from whatever note an earlier try has left in the folder."""
    context = row_context(LabelJob.model_validate(job()))
    labeler = UnitLabeler(segmenter, context, Compute(batch_size=3), Limits())
    return labeler.label(work, attempt_at(folder))


def statuses(labelled: Labelled) -> tuple[dict[str, str], dict[str, str]]:
    labels, rejected, _ = labelled
    return (
        {row["image_id"]: row["status"] for row in labels},
        {row["image_id"]: row["reason"] for row in rejected},
    )


def test_every_image_of_a_unit_is_labelled_empty_or_rejected(tmp_path: Path) -> None:
    fault = ImageRejected("unsafe-name", "../x.jpg")
    work = unit(png(WHITE), b"not an image", png(RED), png(BLACK), fault, png(WHITE))
    labels, rejected, seconds = label(MeanColour(memory=2), work, tmp_path)
    assert [(row["image_id"], row["status"], row["area_px"]) for row in labels] == [
        ("0", "labelled", 120),
        ("3", "empty", 0),
        ("5", "labelled", 120),
    ]
    assert all(row["random_weights"] for row in labels)
    assert [(row["image_id"], row["reason"]) for row in rejected] == [
        ("1", "decode"),
        ("2", "model"),
        ("4", "unsafe-name"),
    ]
    assert min(seconds.decode, seconds.segment, seconds.encode) > 0


def test_images_that_kill_their_process_are_found_and_their_neighbours_labelled(
    tmp_path: Path,
) -> None:
    work = unit(*[png(WHITE)] * 4, png(RED), png(BLACK), png(RED), png(WHITE))
    deaths = 0
    while True:
        try:
            labelled = label(Killer(), work, tmp_path)
            break
        except Died:
            deaths += 1
    # Two to see the batch and twice the image alone, for the first; three for one in another batch.
    assert deaths == 4 + 3
    kept, rejected = statuses(labelled)
    assert kept == dict.fromkeys("01237", "labelled") | {"5": "empty"}
    assert rejected == {"4": "crash", "6": "crash"}


class ImageByImage(MeanColour):
    """A segmenter whose mask tells an image's place in its batch and the batch's size."""

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        del embeddings
        made = []
        for place in range(len(images)):
            logits = np.full((8, 8), -5.0, np.float32)
            logits[place, : len(images)] = 5.0
            made.append((Prediction(1, logits, 0.9, "squash"),))
        return made


def test_an_image_done_alone_has_the_place_and_the_batch_that_it_had_among_others(
    tmp_path: Path,
) -> None:
    work = unit(*[png(WHITE, (40 + i, 40)) for i in range(4)], b"not an image", png(WHITE))
    undisturbed = label(ImageByImage(), work, tmp_path / "once")
    (tmp_path / "again").mkdir()
    for batch in (0, 1):  # a death in each
        begun = attempt_at(tmp_path / "again")
        begun.timed_out()
        begun = attempt_at(tmp_path / "again")
        with begun.batch(batch):
            begun.timed_out()
    again = label(ImageByImage(), work, tmp_path / "again")
    assert undisturbed[:2] == again[:2]
    assert len({row["rle_counts"] for row in again[0]}) == 5


class Vast:
    """A prediction whose mask fits in no memory."""

    category_id, score, frame, presence, objects = 1, 0.9, "squash", None, ()
    signals = None

    @property
    def logits_hw(self) -> np.ndarray:
        raise MemoryError("30 x 40")


class VastForLarge(MeanColour):
    def _predict(self, image: np.ndarray) -> tuple[Prediction, ...]:
        vast: tuple = (Vast(),)
        return vast if image.shape[:2] == (30, 40) else super()._predict(image)


def test_an_image_whose_masks_do_not_fit_in_memory_costs_no_neighbour(tmp_path: Path) -> None:
    work = unit(png(WHITE), png(WHITE, (40, 30)), png(WHITE))
    kept, rejected = statuses(label(VastForLarge(), work, tmp_path))
    assert kept == {"0": "labelled", "2": "labelled"}
    assert rejected == {"1": "out-of-memory"}


def test_masks_of_several_images_are_encoded_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = Barrier(3, timeout=30)
    real = stages.label_rows

    def label_rows(*about: Any, **context: Any) -> list[dict[str, Any]]:
        together.wait()
        return real(*about, **context)

    monkeypatch.setattr(stages, "label_rows", label_rows)
    work = unit(*[png(WHITE, (12 + i, 10)) for i in range(6)])
    context = row_context(LabelJob.model_validate(job()))
    compute = Compute(batch_size=3, decode_threads=3)
    labels, _, _ = UnitLabeler(MeanColour(), context, compute, Limits()).label(
        work, attempt_at(tmp_path)
    )
    assert [row["image_id"] for row in labels] == [str(i) for i in range(6)]


class SlowStore:
    """A store whose answers come only once as many images are asked for at the same time."""

    def __init__(self, together: int) -> None:
        self._asked = Barrier(together, timeout=30)

    def get(self, image: str) -> Tensor | None:
        """Wait for the others; no image is stored."""
        del image
        self._asked.wait()
        return None


def test_stored_embeddings_are_read_many_at_once_and_batches_ahead(tmp_path: Path) -> None:
    work = unit(*[png(WHITE, (12 + i, 10)) for i in range(12)])
    context = row_context(LabelJob.model_validate(job()))
    store = cast(EmbeddingStore, SlowStore(together=12))
    labeler = UnitLabeler(MeanColour(), context, Compute(batch_size=3), Limits(), store)
    labels, rejected, _ = labeler.label(work, attempt_at(tmp_path))
    assert (len(labels), rejected) == (12, [])


def test_beside_a_gpu_processes_encode_the_same_masks(tmp_path: Path) -> None:
    work = unit(png(WHITE), png(BLACK), b"not an image", png(WHITE))
    context = row_context(LabelJob.model_validate(job()))
    labeler = UnitLabeler(MeanColour(), context, Compute(batch_size=3), Limits(), beside_gpu=True)
    labels, rejected, _ = labeler.label(work, attempt_at(tmp_path / "beside"))
    expected = label(MeanColour(), work, tmp_path / "threads")
    assert (labels, rejected) == expected[:2]
    assert len(labels) == 3


class Begun(MeanColour):
    """Has batches at work as a GPU does, and notes when each is begun and waited for."""

    begins = True

    def __init__(self, broken: str = "") -> None:
        super().__init__()
        self.events: list[str] = []
        self._broken = broken

    def begin(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> Callable[[], list[tuple[Prediction, ...]]]:
        self.events.append("begin")
        if self._broken == "begin":
            raise RuntimeError("no kernel for this size")

        def finish() -> list[tuple[Prediction, ...]]:
            self.events.append("finish")
            if self._broken == "finish":
                raise RuntimeError("no memory for this size")
            return self.segment(images, embeddings)

        return finish


def test_a_gpu_is_asked_for_a_batch_before_the_last_one_is_waited_for(tmp_path: Path) -> None:
    segmenter = Begun()
    labels, _, _ = label(segmenter, unit(*[png(WHITE)] * 7), tmp_path)
    assert segmenter.events == ["begin", "begin", "finish", "begin", "finish", "finish"]
    assert [row["image_id"] for row in labels] == list("0123456")


@pytest.mark.parametrize("broken", ["begin", "finish"])
def test_a_batch_that_cannot_be_begun_is_segmented_as_any_that_fails(
    broken: str, tmp_path: Path
) -> None:
    segmenter = Begun(broken)
    work = unit(*[png(WHITE)] * 4, png(RED), png(BLACK))
    labels, rejected, _ = label(segmenter, work, tmp_path)
    assert [row["image_id"] for row in labels] == ["0", "1", "2", "3", "5"]
    assert [(row["image_id"], row["reason"]) for row in rejected] == [("4", "model")]
