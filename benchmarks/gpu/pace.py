"""Encoded photos become label rows for some seconds, by an actor's own labeler: images a second."""

import io
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.parts.vrp_job import SIZE_HW, photo
from model.masks.upsample import mask_at
from model.segmenter import Beginner, Prediction, Segmenter
from pipeline.embed.store import EmbeddingStore, image_key
from pipeline.inputs.shards import EncodedImage, Unit
from pipeline.label.rows import RowContext
from pipeline.label.unit_labeler import UnitLabeler
from pipeline.masks.runs import encode_rle
from pipeline.output.attempts import Attempt
from pipeline.output.unit import UnitName
from pipeline.storage.place import Place
from schemas.job.compute import Compute, Limits
from schemas.job.label import Thresholds
from schemas.job.storage import Storage
from schemas.record.commit import Category, Identity

DIFFERENT_PHOTOS = 16
WARM_UP_BATCHES = 4
MOST_BATCHES = 400
Predictions = list[tuple[Prediction, ...]]


@dataclass(frozen=True)
class Pace:
    """Images a second, and the share of the time in which the device had no batch.

    asking is the share in which it was being asked, and what was found was being taken; waiting
    that in which its answer was waited for. Both are of the one thread that has the device.
    """

    images_per_s: float
    idle: float
    asking: float
    waiting: float

    def line(self) -> dict[str, float]:
        """Return them as rounded columns."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def pace(
    segmenter: Segmenter,
    stored: Sequence[Tensor] | None,
    batch: int,
    threads: int,
    seconds: float,
    *,
    trained: bool = False,
) -> Pace:
    """Label photos with so many decoding threads for about so long; stored are their embeddings.

    Random weights put an edge at every pixel, whose run lengths take 20 times those of an object:
    unless the networks are trained, what is encoded of a mask is a drawn one.
    """
    photos = [jpeg(photo(n)) for n in range(DIFFERENT_PHOTOS)]
    store = (
        None if stored is None else Stored(dict(zip(map(image_key, photos), stored, strict=True)))
    )
    watched = Watched(segmenter, trained=trained)
    labeler = UnitLabeler(
        watched,
        context(len(segmenter.segment([photo(0)])[0])),
        Compute(batch_size=batch, decode_threads=threads),
        Limits(),
        cast(EmbeddingStore | None, store),
        beside_gpu=torch.cuda.is_available(),
    )
    with TemporaryDirectory() as folder:
        label(labeler, photos, WARM_UP_BATCHES * batch, Path(folder) / "first")
        again = label(labeler, photos, WARM_UP_BATCHES * batch, Path(folder) / "again")
        batches = min(MOST_BATCHES, max(1, round(seconds / again * WARM_UP_BATCHES)))
        watched.clear()
        taken = label(labeler, photos, batches * batch, Path(folder) / "timed")
    idle, asking, waiting = watched.idle_s(), watched.asking_s, watched.waiting_s
    return Pace(batches * batch / taken, idle / taken, asking / taken, waiting / taken)


def label(labeler: UnitLabeler, photos: Sequence[bytes], images: int, folder: Path) -> float:
    """Return the seconds that a unit of so many images takes; folder is for its note."""
    named = zip(range(images), itertools.cycle(photos))
    encoded = tuple(EncodedImage(str(n), f"photos/{n}.jpg", data) for n, data in named)
    unit = Unit("0" * 16, 0, last=True, images=encoded)
    attempt = Attempt(Place.open(str(folder), Storage()), UnitName(unit.shard_id, 0, last=True))
    start = time.perf_counter()
    labels, rejected, _ = labeler.label(unit, attempt)
    taken = time.perf_counter() - start
    assert labels, "no image was labelled"
    assert not rejected, rejected[0]
    return taken


def context(categories: int) -> RowContext:
    """Return what rows of so many categories share."""
    ids = range(1, categories + 1)
    named = tuple(Category(id=one, name=str(one)) for one in ids)
    identity = Identity(
        fingerprint="",
        model_fingerprint="",
        fields={},
        categories=named,
        source="images",
        random_weights=(),
    )
    return RowContext(identity, {one: (f"{one}-0",) for one in ids}, Thresholds())


class Stored:
    """Embeddings in memory, in the place of a store's."""

    def __init__(self, embeddings: dict[str, Tensor]) -> None:
        self._embeddings = embeddings

    def get(self, image: str) -> Tensor:
        """Return an image's embedding."""
        return self._embeddings[image]


class Watched:
    """A segmenter whose batches are noted, when the device begins each and when it has it done."""

    def __init__(self, segmenter: Segmenter, *, trained: bool) -> None:
        self._segmenter, self._trained = segmenter, trained
        self.begins = isinstance(segmenter, Beginner) and segmenter.begins
        self.clear()

    def clear(self) -> None:
        """Forget the batches noted."""
        self.marks: list[tuple[Mark, Mark]] = []
        self.asking_s = self.waiting_s = 0.0

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> Predictions:
        """Segment images, and draw masks in the place of random ones."""
        start = Mark()
        found = self._segmenter.segment(images, embeddings)
        self.marks.append((start, end := Mark()))
        self.waiting_s += end.time - start.time
        return self._shown(found)

    def begin(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> Callable[[], Predictions]:
        """Ask for what `segment` returns."""
        assert isinstance(self._segmenter, Beginner)
        start = Mark()
        finish = self._segmenter.begin(images, embeddings)
        self.marks.append((start, end := Mark()))
        self.asking_s += end.time - start.time

        def finished() -> Predictions:
            begun = time.perf_counter()
            end.wait()
            arrived = time.perf_counter()
            found = self._shown(finish())
            self.waiting_s += arrived - begun
            self.asking_s += time.perf_counter() - arrived
            return found

        return finished

    def _shown(self, found: Predictions) -> Predictions:
        return found if self._trained else [drawn(one) for one in found]

    def idle_s(self) -> float:
        """Return the seconds between the batches noted."""
        ends = [end for _, end in self.marks[:-1]]
        starts = [start for start, _ in self.marks[1:]]
        return sum(max(0.0, start.since(end)) for end, start in zip(ends, starts, strict=True))


class Mark:
    """A moment of the device's: when it came to what it is asked next."""

    def __init__(self) -> None:
        self._event: torch.cuda.Event | None = None
        self.time = time.perf_counter()
        if torch.cuda.is_available():
            self._event = torch.cuda.Event(enable_timing=True)
            self._event.record()

    def wait(self) -> None:
        """Wait until the device is there."""
        if self._event is not None:
            self._event.synchronize()

    def since(self, other: "Mark") -> float:
        """Return the seconds from the other to this one."""
        if self._event is None or other._event is None:
            return self.time - other.time
        self.wait()
        return other._event.elapsed_time(self._event) / 1000


def drawn(predictions: tuple[Prediction, ...]) -> tuple[Prediction, ...]:
    """Return as many drawn masks, as logits of the predictions' size."""
    side = len(predictions[0].logits_hw)
    return tuple(replace(one, logits_hw=drawn_logits(side)) for one in predictions)


def runs_of(predictions: tuple[Prediction, ...]) -> list[object]:
    """Return an image's masks as the product stores them."""
    return [encode_rle(mask_at(one, SIZE_HW, 0.0)) for one in predictions]


@cache
def drawn_logits(side: int) -> np.ndarray:
    """Return the logits of an uneven ellipse over a seventh of the image: [side, side]."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    uneven = 0.02 * np.sin(9 * np.arctan2(y, x))
    noise = np.random.default_rng(0).normal(0, 0.5, (side, side))
    return (100 * (0.23 + uneven - np.hypot(x, 1.2 * y)) + noise).astype(np.float32)


def jpeg(image_HW3: np.ndarray) -> bytes:
    """Return an image as a JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(image_HW3).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
