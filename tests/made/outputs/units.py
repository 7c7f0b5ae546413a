"""Units of small images of one colour, and segmenters of ours whose masks of them are known."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from model.segmenter import Prediction
from pipeline.inputs.shards import EncodedImage, Unit
from pipeline.label.rows import RowContext
from pipeline.output.attempts import Attempt
from pipeline.output.unit import UnitName
from pipeline.storage.place import Place
from schemas.errors import ImageRejected
from schemas.job.label import LabelJob, Thresholds
from schemas.job.storage import Storage
from schemas.record.commit import Identity

NAME = UnitName("0" * 16, 0, last=True)
WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (255, 0, 0)


class MeanColour:
    """A segmenter whose mask is known: bright images are all foreground, dark ones empty.

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
        if any(map(is_red, images)):
            raise RuntimeError("a poisoned image")
        return [self._predict(image) for image in images]

    def _predict(self, image: np.ndarray) -> tuple[Prediction, ...]:
        logits = np.full((8, 8), 5.0 if image.mean() > 127 else -5.0, np.float32)
        return (Prediction(1, logits, 0.9, "squash"),)


class Died(BaseException):
    """A process that ends: no handler of the product may catch it."""


class Killer(MeanColour):
    """A segmenter that ends the process on any image with a pure red corner."""

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        if any(map(is_red, images)):
            raise Died
        return super().segment(images, embeddings)


def is_red(image: np.ndarray) -> bool:
    """Return whether an image's first corner is pure red."""
    return bool((image[0, 0] == RED).all())


def png(colour: tuple[int, int, int], size: tuple[int, int] = (12, 10)) -> bytes:
    """Return an image of one colour; size is width and height."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def unit(*images: bytes | ImageRejected) -> Unit:
    """Return a unit of images named 0, 1, ...; a fault is one found in reading."""
    encoded = [
        EncodedImage(f"{i}", f"s3://b/a.tar#{i}", b"", image)
        if isinstance(image, ImageRejected)
        else EncodedImage(f"{i}", f"s3://b/a.tar#{i}", image)
        for i, image in enumerate(images)
    ]
    return Unit("0" * 16, 0, last=True, images=tuple(encoded))


def row_context(job: LabelJob) -> RowContext:
    """Return what all rows of a job with categories 1 and 2 share, without its weights read."""
    identity = Identity(
        fingerprint="f",
        model_fingerprint="m",
        fields={},
        categories=job.numbered_categories(),
        source="webdataset",
        random_weights=job.random_weights,
    )
    return RowContext(identity, {1: ("r1",), 2: ("r2",)}, Thresholds())


def attempt_at(folder: Path) -> Attempt:
    """Begin an attempt at the unit NAME, whose note lies in the folder."""
    return Attempt(Place.open(str(folder), Storage()), NAME)
