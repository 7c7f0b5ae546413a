"""A unit of encoded images becomes label rows and rejected rows, whatever one of them does.

Undisturbed, batches overlap: one is segmented, the next is decoded, the last is encoded; a GPU is
asked for a batch before the last one is waited for. After a death they come one after the other,
and the batch that was at work image by image.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager

from model.segmenter import Segmenter
from pipeline.embed.store import EmbeddingStore
from pipeline.images.decode import DecodedImage
from pipeline.inputs.shards import EncodedImage, Unit
from pipeline.label.rows import RowContext
from pipeline.label.stages import Decoded, Finish, Labelled, Row, Stages
from pipeline.label.time_limit import time_limit
from pipeline.output.attempts import Attempt
from schemas.job.compute import Compute, Limits
from schemas.record.receipt import StageSeconds

Batches = Sequence[Sequence[EncodedImage]]

# Stored embeddings are 2 MB each, so 8 batches of 8 hold 128 MB.
FETCHED_BATCHES = 8


class UnitLabeler:
    """Labels units with a segmenter; store holds SAM's embeddings of images, where there is one.

    beside_gpu: the segmenter has a GPU, which must not wait for Python.
    """

    def __init__(
        self,
        segmenter: Segmenter,
        context: RowContext,
        compute: Compute,
        limits: Limits,
        store: EmbeddingStore | None = None,
        *,
        beside_gpu: bool = False,
    ) -> None:
        self._stages = Stages(segmenter, context, compute, limits, store, beside_gpu=beside_gpu)
        self._batch_size = compute.batch_size
        self._seconds_per_image = limits.seconds_per_image

    def label(self, unit: Unit, attempt: Attempt) -> Labelled:
        """Return the unit's label rows and rejected rows, both in the order of its images."""
        size = self._batch_size
        batches = [unit.images[i : i + size] for i in range(0, len(unit.images), size)]
        do = self._carefully if attempt.careful else self._ahead
        labels: list[Row] = []
        rejected: list[Row] = []
        total = StageSeconds()
        for rows, faults, seconds in do(batches, attempt):
            labels += rows
            rejected += faults
            total += seconds
        return labels, rejected, total

    def _ahead(self, batches: Batches, attempt: Attempt) -> Iterator[Labelled]:
        """Label in batches: while one is segmented, the next is decoded and the last encoded."""
        stages = self._stages
        fetched = [stages.fetch_ahead(batch) for batch in batches[:FETCHED_BATCHES]]
        ahead = stages.decode_ahead(batches[0], fetched[0]) if batches else []
        running: deque[Finish] = deque()
        encoding: deque[Future[Labelled]] = deque()
        for number, batch in enumerate(batches):
            with attempt.batch(number), self._limit(len(batch), attempt):
                decoded = [future.result() for future in ahead]
                fetched = [
                    *fetched[1:],
                    *map(stages.fetch_ahead, batches[number + FETCHED_BATCHES :][:1]),
                ]
                # Two batches of decoded images at most: each is megabytes.
                ahead = stages.decode_ahead(batches[number + 1], fetched[0]) if fetched else []
                running.append(stages.begin(decoded))
                if len(running) > stages.overlap:
                    segmented = running.popleft()()
                    if encoding:
                        yield encoding.popleft().result()
                    encoding.append(stages.encode_behind(*segmented))
        while running or encoding:
            with attempt.batch(len(batches) - 1), self._limit(len(batches[-1]), attempt):
                if running:
                    encoding.append(stages.encode_behind(*running.popleft()()))
                yield encoding.popleft().result()

    def _carefully(self, batches: Batches, attempt: Attempt) -> Iterator[Labelled]:
        """Label one batch after the other; a batch that ended an earlier try image by image."""
        stages = self._stages
        first = 0
        for number, batch in enumerate(batches):
            with attempt.batch(number):
                if attempt.is_bad(number):
                    yield from self._one_by_one(batch, first, attempt)
                else:
                    with self._limit(len(batch), attempt):
                        decoded = [stages.decode(image) for image in batch]
                        yield stages.encode(*stages.segment(decoded))
            first += len(batch)

    def _one_by_one(
        self, batch: Sequence[EncodedImage], first: int, attempt: Attempt
    ) -> Iterator[Labelled]:
        """Label each image alone, and skip the ones that ended earlier tries.

        Each is segmented at its own place among copies of itself: kernels round by the shape of a
        batch, so only thus does a retry give the very bytes that an undisturbed run does.
        """
        stages = self._stages
        decoded: list[Decoded] = []
        for number, image in enumerate(batch, start=first):
            if fault := attempt.fault_of(number):
                decoded.append(Decoded(image, fault))
                continue
            with attempt.image(number), self._limit(1, attempt):
                decoded.append(stages.decode(image))
        good = [isinstance(one.outcome, DecodedImage) for one in decoded]
        for place, one in enumerate(decoded):
            if not good[place]:
                yield stages.encode(*stages.segment([one]))
                continue
            copies = sum(good)  # they take a whole batch's time
            with attempt.image(first + place), self._limit(copies, attempt):
                segmented, seconds = stages.segment([one] * copies)
                yield stages.encode([segmented[sum(good[:place])]], seconds)

    def _limit(self, images: int, attempt: Attempt) -> AbstractContextManager[None]:
        return time_limit(images * self._seconds_per_image, attempt.timed_out)
