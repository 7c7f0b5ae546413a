"""What one image, the device's memory and a broken device do to a batch."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model.segmenter import Prediction
from pipeline.label import batches
from pipeline.label.actor import try_out
from pipeline.label.batches import Batches
from pipeline.label.unit_labeler import UnitLabeler
from schemas.errors import BadInput, ImageRejected
from schemas.job.compute import Compute, Limits
from schemas.job.label import LabelJob
from tests.made.jobs.label_jobs import job
from tests.made.outputs.units import (
    RED,
    WHITE,
    Died,
    MeanColour,
    attempt_at,
    is_red,
    png,
    row_context,
    unit,
)

GREY = np.full((4, 4, 3), 200, np.uint8)


def test_a_batch_that_does_not_fit_is_halved_and_later_ones_come_no_larger() -> None:
    segmenter = MeanColour(memory=2)
    segmenting = Batches(segmenter)
    for _ in range(2):
        outcomes = segmenting.segment([GREY] * 6, [None] * 6)
        assert [isinstance(outcome, tuple) for outcome in outcomes] == [True] * 6
    assert segmenter.calls == [6, 3, 1, 2, 3, 1, 2, 2, 2, 2]


class Held:
    """Memory of a device that has room for 100; given back when nobody holds it any more."""

    used = 0

    def __init__(self, size: int) -> None:
        if Held.used + size > 100:
            raise torch.OutOfMemoryError("CUDA out of memory")
        Held.used += size
        weakref.finalize(self, Held._free, size)

    @staticmethod
    def _free(size: int) -> None:
        Held.used -= size


class OfDevice(MeanColour):
    """Holds what it computes until it answers: six images fit."""

    begins = True

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        predictions = super().segment(images, embeddings)
        computed: list[Held] = []
        try:
            for _ in range(15):
                computed.append(Held(len(images)))
        except torch.OutOfMemoryError as error:
            raise RuntimeError("OutOfMemory, told by somebody else: not enough memory") from error
        return predictions

    def begin(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None]
    ) -> Callable[[], list[tuple[Prediction, ...]]]:
        predictions = self.segment(images, embeddings)
        return lambda: predictions


@pytest.mark.parametrize("begins", [False, True])
def test_what_a_failed_batch_had_in_memory_is_free_for_its_halves(begins: bool) -> None:
    segmenter = OfDevice()
    segmenting = Batches(segmenter)
    for calls in ([8, 4, 4], [4, 4]):
        arguments = [GREY] * 8, [None] * 8
        wait = segmenting.begin(*arguments) if begins else partial(segmenting.segment, *arguments)
        assert [isinstance(outcome, tuple) for outcome in wait()] == [True] * 8
        assert segmenter.calls == calls
        segmenter.calls.clear()


class Limited(MeanColour):
    """Runs out of memory at a red image, alone or not."""

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        if any(map(is_red, images)):
            self.calls.append(len(images))
            raise MemoryError
        return super().segment(images, embeddings)


@pytest.mark.parametrize("segmenter", [MeanColour(), Limited()], ids=["poisoned", "too large"])
def test_an_image_that_fails_alone_costs_no_later_batch_its_size(segmenter: MeanColour) -> None:
    segmenting = Batches(segmenter)
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    outcomes = segmenting.segment([GREY, red, GREY, GREY], [None] * 4)
    assert [isinstance(outcome, tuple) for outcome in outcomes] == [True, False, True, True]
    segmenter.calls.clear()
    segmenting.segment([GREY] * 4, [None] * 4)
    assert segmenter.calls == [4]


NAN = float("nan")


class NoNumber:
    """Predicts one category, something of which is not a number."""

    def __init__(self, **wrong: Any) -> None:
        self.wrong = wrong

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        good = Prediction(1, np.zeros((4, 4), np.float32), 0.9, "squash", presence=0.5)
        return [(replace(good, **self.wrong),)] * len(images)


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": NAN},
        {"presence": NAN},
        {"logits_hw": np.array([[1.0, NAN]], np.float32)},
        {"signals": {"kind": NAN}},
        {"objects": (Prediction(1, np.zeros((2, 2), np.float32), NAN, "squash"),)},
    ],
)
def test_what_is_not_a_number_is_no_label(wrong: dict[str, Any], tmp_path: Path) -> None:
    segmenter = NoNumber(**wrong)
    context = row_context(LabelJob.model_validate(job()))
    labeler = UnitLabeler(segmenter, context, Compute(), Limits())
    labels, (rejected,), _ = labeler.label(unit(png(WHITE)), attempt_at(tmp_path))
    assert labels == []
    assert (rejected["reason"], "not a number" in rejected["message"]) == ("model", True)
    with pytest.raises(BadInput, match=r"cuda, bf16(.|\n)*not a number"):
        try_out(segmenter, "cuda, bf16")


@pytest.mark.parametrize(("memory", "reason"), [(0, "out-of-memory"), (1, "model")])
def test_an_image_that_cannot_be_segmented_alone_is_rejected(memory: int, reason: str) -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    (outcome,) = Batches(MeanColour(memory)).segment([red], [None])
    assert isinstance(outcome, ImageRejected)
    assert outcome.reason == reason


class Device:
    """A GPU whose context breaks at a red image, and stays broken until the process ends."""

    def __init__(self) -> None:
        self.broken = False
        self.fine = MeanColour()

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        self.broken = self.broken or any(map(is_red, images))
        if self.broken:
            raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
        return self.fine.segment(images, embeddings)


def test_a_broken_device_ends_the_process_and_only_the_image_that_breaks_it_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(code: int) -> None:
        raise Died(code)

    monkeypatch.setattr(batches.os, "_exit", end)
    work = unit(*[png(WHITE)] * 4, png(RED), *[png(WHITE)] * 3)
    context = row_context(LabelJob.model_validate(job()))
    for _ in range(10):
        labeler = UnitLabeler(Device(), context, Compute(batch_size=4), Limits())
        try:
            labels, rejected, _ = labeler.label(work, attempt_at(tmp_path))
            break
        except Died:
            continue
    else:
        raise AssertionError("never came to its end")
    assert len(labels) == 7
    assert [(row["image_id"], row["reason"]) for row in rejected] == [("4", "crash")]


def test_a_kernel_that_cannot_run_is_found_before_the_first_image() -> None:
    try_out(MeanColour(), "cuda, bf16")
    device = Device()
    device.broken = True
    with pytest.raises(BadInput, match=r"cuda, bf16(.|\n)*illegal memory(.|\n)*precision: fp32"):
        try_out(device, "cuda, bf16")
