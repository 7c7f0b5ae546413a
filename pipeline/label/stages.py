"""A batch of encoded images becomes label rows and rejected rows: decoded, segmented, encoded."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from model.segmenter import Prediction, Segmenter
from pipeline.embed.store import EmbeddingStore, image_key
from pipeline.images.decode import DecodedImage, decode_image
from pipeline.inputs.shards import EncodedImage
from pipeline.label.batches import Batches, Outcome
from pipeline.label.rows import RowContext, label_rows, rejected_row
from pipeline.masks.processes import Processes
from schemas.errors import ImageRejected
from schemas.job.compute import Compute, Limits
from schemas.record.receipt import StageSeconds

# Embeddings of 2 MB: what hides 50 ms a request at the speed of a GPU that only decodes.
READ_THREADS = 32

Row = dict[str, Any]
Labelled = tuple[list[Row], list[Row], StageSeconds]
"""Label rows, rejected rows, and the time spent on them."""


@dataclass(frozen=True)
class Decoded:
    """An image, its pixels or its fault, SAM's embedding if one is stored, and the time it took."""

    encoded: EncodedImage
    outcome: DecodedImage | ImageRejected
    embedding: Tensor | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Segmented:
    """An image after the model: pixels are gone, predictions or a fault are left."""

    encoded: EncodedImage
    size_HW: tuple[int, int]
    exif_orientation: int
    outcome: tuple[Prediction, ...] | ImageRejected


Finish = Callable[[], tuple[list[Segmented], StageSeconds]]
"""Waits for a batch that was begun; the time is that of decoding and segmenting it."""


def _segmented(one: Decoded, outcomes: Iterator[Outcome]) -> Segmented:
    if isinstance(one.outcome, ImageRejected):
        return Segmented(one.encoded, (0, 0), 1, one.outcome)
    size_HW = one.outcome.pixels_HW3.shape[:2]
    return Segmented(one.encoded, size_HW, one.outcome.exif_orientation, next(outcomes))


class Stages:
    """What is done with each batch. Decoding and encoding may run in threads of their own.

    beside_gpu: masks are encoded by processes.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        context: RowContext,
        compute: Compute,
        limits: Limits,
        store: EmbeddingStore | None,
        *,
        beside_gpu: bool = False,
    ) -> None:
        self._batches = Batches(segmenter)
        self._context = context
        self._limits = limits
        self._store = store
        self._beside_gpu = beside_gpu
        self._decoders = ThreadPoolExecutor(compute.decode_threads)
        self._readers = ThreadPoolExecutor(READ_THREADS)
        self._encoder = ThreadPoolExecutor(1)
        # Of 5 masks an image in one thread a fast GPU would wait.
        self._maskers = ThreadPoolExecutor(compute.decode_threads)
        rows_of = partial(label_rows, context=context)
        self._rows_of = Processes(rows_of, compute.decode_threads) if beside_gpu else rows_of

    def fetch_ahead(self, images: Sequence[EncodedImage]) -> list[Future[Tensor | None]]:
        """Begin to read stored embeddings, as many at once as hide storage's latency."""
        return [self._readers.submit(self._stored, image) for image in images]

    def decode_ahead(
        self, images: Sequence[EncodedImage], stored: Sequence[Future[Tensor | None]]
    ) -> list[Future[Decoded]]:
        """Begin to decode images, each in a thread; stored is what `fetch_ahead` returned."""
        return [
            self._decoders.submit(self.decode, image, embedding)
            for image, embedding in zip(images, stored, strict=True)
        ]

    def encode_behind(
        self, segmented: Sequence[Segmented], seconds: StageSeconds
    ) -> Future[Labelled]:
        """Begin to encode a batch: one at a time, several of its images at once."""
        return self._encoder.submit(self._encoded, segmented, seconds, self._maskers.map)

    def decode(self, image: EncodedImage, stored: Future[Tensor | None] | None = None) -> Decoded:
        """Turn an encoded image into pixels, or say why that cannot be done.

        Its embedding is the one that is being read, or is read here.
        """
        if image.fault is not None:
            return Decoded(image, image.fault)
        start = time.perf_counter()
        try:
            outcome = decode_image(image.data, self._limits)
        except ImageRejected as rejected:
            outcome = rejected
        embedding = self._stored(image) if stored is None else stored.result()
        return Decoded(image, outcome, embedding, time.perf_counter() - start)

    def _stored(self, image: EncodedImage) -> Tensor | None:
        if self._store is None or image.fault is not None:
            return None
        found = self._store.get(image_key(image.data))
        # Here and not by who asks the GPU: it is 2 MB to be copied.
        return found.pin_memory() if self._beside_gpu and found is not None else found

    @property
    def overlap(self) -> bool:
        """Whether a batch had better be begun before the last one is waited for."""
        return self._batches.overlap

    def segment(self, decoded: Sequence[Decoded]) -> tuple[list[Segmented], StageSeconds]:
        """Run the model on the images that have pixels."""
        return self.begin(decoded)()

    def begin(self, decoded: Sequence[Decoded]) -> Finish:
        """Ask for what `segment` returns, and return what waits for it."""
        start = time.perf_counter()
        good = [
            (one.outcome.pixels_HW3, one.embedding)
            for one in decoded
            if isinstance(one.outcome, DecodedImage)
        ]
        pixels, stored = [image for image, _ in good], [embedding for _, embedding in good]
        wait = self._batches.begin(pixels, stored)
        seconds = StageSeconds(
            decode=sum(one.seconds for one in decoded), segment=time.perf_counter() - start
        )

        def finish() -> tuple[list[Segmented], StageSeconds]:
            start = time.perf_counter()
            outcomes = iter(wait())
            segmented = [_segmented(one, outcomes) for one in decoded]
            return segmented, seconds + StageSeconds(segment=time.perf_counter() - start)

        return finish

    def encode(self, segmented: Sequence[Segmented], seconds: StageSeconds) -> Labelled:
        """Turn predictions into rows; seconds are those of the stages before."""
        return self._encoded(segmented, seconds, map)

    def _encoded(
        self, segmented: Sequence[Segmented], seconds: StageSeconds, each: Callable[..., Iterable]
    ) -> Labelled:
        start = time.perf_counter()
        labels: list[Row] = []
        rejected: list[Row] = []
        for rows, faults in each(self._rows, segmented):
            labels += rows
            rejected += faults
        return labels, rejected, seconds + StageSeconds(encode=time.perf_counter() - start)

    def _rows(self, image: Segmented) -> tuple[list[Row], list[Row]]:
        """Return an image's label rows, or the row that says why there are none."""
        if isinstance(image.outcome, ImageRejected):
            return [], [rejected_row(image.encoded, image.outcome, self._context)]
        about = {
            "image_id": image.encoded.image_id,
            "uri": image.encoded.uri,
            "exif_orientation": image.exif_orientation,
        }
        try:
            rows = self._rows_of(image.outcome, image.size_HW)
        except MemoryError as error:
            fault = ImageRejected("out-of-memory", f"no memory for its masks: {error}")
            return [], [rejected_row(image.encoded, fault, self._context)]
        except ImageRejected as fault:
            return [], [rejected_row(image.encoded, fault, self._context)]
        return [about | row for row in rows], []
