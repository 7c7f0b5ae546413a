"""Turn a unit of encoded images into a committed part: the work of one actor."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from torch import Tensor

from model.build import build_segmenter
from model.networks.device import pick_device, pick_precision
from model.segmenter import LoadedReference, Prediction, Segmenter
from pipeline.cluster.units import table_to_units
from pipeline.embed.store import EmbeddingStore, image_key, model_fields
from pipeline.inputs.decode import DecodedImage, decode_image
from pipeline.inputs.shards import EncodedImage, Unit
from pipeline.label.monitoring import Done, UnitWatch
from pipeline.label.retry import Retry, split_unit
from pipeline.label.rows import RowContext, label_rows, rejected_row
from pipeline.label.time_limit import time_limit
from pipeline.output.attempts import Attempt
from pipeline.output.unit import UnitName, read_part, write_unit
from pipeline.storage.files import open_filesystem
from pipeline.weights.fetch import cache_folder
from pipeline.weights.of_method import local_method
from schemas.commit import Part
from schemas.errors import ImageRejected, MissingFile
from schemas.label import Iterative, LabelJob
from schemas.receipt import Receipt, StageSeconds

Row = dict[str, Any]
Labelled = tuple[list[Row], list[Row], StageSeconds]  # label rows, rejected rows, time spent
Decoded = tuple[EncodedImage, DecodedImage | ImageRejected, Tensor | None, float]
"""An image, its pixels or its fault, SAM's embedding if one is stored, and the seconds it took."""


@dataclass(frozen=True)
class SegmentTask:
    """All that an actor needs to start: values only, so that it can start on any node."""

    job: LabelJob
    references: tuple[LoadedReference, ...]
    context: RowContext
    gpus: float
    retry: Retry | None = None


class Segmented(NamedTuple):
    """An image after the model: pixels are gone, predictions or a fault are left."""

    encoded: EncodedImage
    size_HW: tuple[int, int]
    exif_orientation: int
    outcome: tuple[Prediction, ...] | ImageRejected


class SegmentUnits:
    """Holds a segmenter with its references studied; called with one unit at a time."""

    def __init__(self, task: SegmentTask) -> None:
        compute, instances = task.job.compute, task.job.instances
        device = pick_device(task.gpus)
        self._task = task
        self._segmenter: Segmenter = build_segmenter(
            local_method(task.job.method, task.job.storage),
            task.references,
            device,
            pick_precision(compute.precision, device),
            cache_folder(),
            instances.most if isinstance(instances, Iterative) else 1,
        )
        self._fs, self._output = open_filesystem(task.job.output.uri, task.job.storage)
        self._store = _open_store(task)
        self._decoders = ThreadPoolExecutor(compute.decode_threads)
        self._encoder = ThreadPoolExecutor(1)
        self._watch = UnitWatch(task.job.output.uri)

    def __call__(self, table: pa.Table) -> dict[str, list[str]]:
        """Commit the units of a block (one) and return their receipts as JSON."""
        receipts = [self._commit(unit) for unit in table_to_units(table)]
        return {"receipt": [receipt.model_dump_json() for receipt in receipts]}

    def _commit(self, unit: Unit) -> Receipt:
        name = UnitName(unit.shard_id, unit.number, unit.last)
        earlier = None
        if self._task.retry is not None:
            earlier = self._task.retry.names[unit.shard_id, unit.number]
            name = replace(earlier, revision=earlier.revision + 1)
        try:
            # A retried read task hands out all its units again: the committed ones cost a GET.
            part, seconds = read_part(self._fs, self._output, name.path), StageSeconds()
        except MissingFile:
            part, seconds = self._write(unit, name, earlier)
        return Receipt(
            shard_id=name.shard_id, number=name.number, last=name.last, part=part, seconds=seconds
        )

    def _write(
        self, unit: Unit, name: UnitName, earlier: UnitName | None
    ) -> tuple[Part, StageSeconds]:
        """Label a unit, or what is to be retried of it, and commit it whole."""
        self._watch.begin()
        attempt = Attempt(self._fs, self._output, name)
        todo, stay = unit, None
        if earlier is not None and self._task.retry is not None:
            todo, stay = split_unit(self._fs, self._output, unit, earlier, self._task.retry)
        new, faults, seconds = self._label(todo, attempt)
        labels, rejected = stay.merged(unit, new, faults) if stay else (new, faults)
        start = time.perf_counter()
        part = write_unit(self._fs, self._output, name, labels, rejected, images=len(unit.images))
        attempt.forget()
        seconds += StageSeconds(write=time.perf_counter() - start)
        self._watch.end(Done(name, len(todo.images), new, faults, seconds, attempt.careful))
        return part, seconds

    def _label(self, unit: Unit, attempt: Attempt) -> Labelled:
        """Return the unit's label rows and rejected rows, both in the order of its images."""
        size = self._task.job.compute.batch_size
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

    def _carefully(
        self, batches: Sequence[Sequence[EncodedImage]], attempt: Attempt
    ) -> Iterator[Labelled]:
        """Label one batch after the other; a batch that ended an earlier try image by image."""
        first = 0
        for number, batch in enumerate(batches):
            with attempt.batch(number):
                if attempt.is_bad(number):
                    yield from self._one_by_one(batch, first, attempt)
                else:
                    with self._limit(len(batch), attempt):
                        decoded = [self._decode(image) for image in batch]
                        yield self._encode(*self._segment(decoded))
            first += len(batch)

    def _one_by_one(
        self, batch: Sequence[EncodedImage], first: int, attempt: Attempt
    ) -> Iterator[Labelled]:
        """Label each image alone, and skip the ones that ended earlier tries.

        Each is segmented at its own place among copies of itself: kernels round by the shape of a
        batch, so only thus does a retry give the very bytes that an undisturbed run does.
        """
        decoded: list[Decoded] = []
        for number, image in enumerate(batch, start=first):
            if fault := attempt.fault_of(number):
                decoded.append((image, fault, None, 0.0))
                continue
            with attempt.image(number), self._limit(1, attempt):
                decoded.append(self._decode(image))
        good = [isinstance(outcome, DecodedImage) for _, outcome, _, _ in decoded]
        for place, one in enumerate(decoded):
            if not good[place]:
                yield self._encode(*self._segment([one]))
                continue
            copies = sum(good)  # they take a whole batch's time
            with attempt.image(first + place), self._limit(copies, attempt):
                segmented, seconds = self._segment([one] * copies)
                yield self._encode([segmented[sum(good[:place])]], seconds)

    def _ahead(
        self, batches: Sequence[Sequence[EncodedImage]], attempt: Attempt
    ) -> Iterator[Labelled]:
        """Label in batches: while one is segmented, the next is decoded and the last encoded."""
        ahead = self._decode_ahead(batches[0]) if batches else []
        encoding: Future[Labelled] | None = None
        for number, batch in enumerate(batches):
            with attempt.batch(number), self._limit(len(batch), attempt):
                decoded = [future.result() for future in ahead]
                # Two batches of decoded images at most: each is megabytes.
                ahead = self._decode_ahead(batches[number + 1]) if batches[number + 1 :] else []
                segmented = self._segment(decoded)
                if encoding is not None:
                    yield encoding.result()
                encoding = self._encoder.submit(self._encode, *segmented)
        if encoding is not None:
            with attempt.batch(len(batches) - 1), self._limit(len(batches[-1]), attempt):
                yield encoding.result()

    def _limit(self, images: int, attempt: Attempt) -> AbstractContextManager[None]:
        seconds = images * self._task.job.limits.seconds_per_image
        return time_limit(seconds, attempt.timed_out)

    def _decode_ahead(self, images: Sequence[EncodedImage]) -> list[Future[Decoded]]:
        return [self._decoders.submit(self._decode, image) for image in images]

    def _decode(self, image: EncodedImage) -> Decoded:
        if image.fault is not None:
            return image, image.fault, None, 0.0
        start = time.perf_counter()
        try:
            outcome = decode_image(image.data, self._task.job.limits)
        except ImageRejected as rejected:
            outcome = rejected
        embedding = None if self._store is None else self._store.get(image_key(image.data))
        return image, outcome, embedding, time.perf_counter() - start

    def _segment(self, decoded: Sequence[Decoded]) -> tuple[list[Segmented], StageSeconds]:
        start = time.perf_counter()
        good = [
            (image.pixels_HW3, embedding)
            for _, image, embedding, _ in decoded
            if isinstance(image, DecodedImage)
        ]
        pixels, stored = [image for image, _ in good], [found for _, found in good]
        outcomes = iter(segment_images(self._segmenter, pixels, stored) if good else [])
        segmented = [
            Segmented(encoded, image.pixels_HW3.shape[:2], image.exif_orientation, next(outcomes))
            if isinstance(image, DecodedImage)
            else Segmented(encoded, (0, 0), 1, image)
            for encoded, image, _, _ in decoded
        ]
        decode_s = sum(seconds for _, _, _, seconds in decoded)
        return segmented, StageSeconds(decode=decode_s, segment=time.perf_counter() - start)

    def _encode(self, segmented: Sequence[Segmented], seconds: StageSeconds) -> Labelled:
        start = time.perf_counter()
        labels: list[Row] = []
        rejected: list[Row] = []
        for image in segmented:
            if isinstance(image.outcome, ImageRejected):
                rejected.append(rejected_row(image.encoded, image.outcome, self._task.context))
                continue
            about = {
                "image_id": image.encoded.image_id,
                "uri": image.encoded.uri,
                "exif_orientation": image.exif_orientation,
            }
            try:
                labels += [
                    about | row
                    for row in label_rows(image.outcome, image.size_HW, self._task.context)
                ]
            except MemoryError as error:
                fault = ImageRejected("out-of-memory", f"no memory for its masks: {error}")
                rejected.append(rejected_row(image.encoded, fault, self._task.context))
        return labels, rejected, seconds + StageSeconds(encode=time.perf_counter() - start)


def segment_images(
    segmenter: Segmenter,
    images: Sequence[np.ndarray],
    embeddings: Sequence[Tensor | None] | None = None,
) -> list[tuple[Prediction, ...] | ImageRejected]:
    """Segment a batch; where it fails, halve it down to the one image that cannot be segmented.

    A batch out of memory is thus tried in halves, and a poisoned image loses no neighbour.
    """
    try:
        return list(segmenter.segment(images, embeddings))
    except (RuntimeError, MemoryError, ValueError) as error:
        # RuntimeError is torch's own, torch.OutOfMemoryError included.
        if len(images) == 1:
            return [ImageRejected(_model_reason(error), f"{type(error).__name__}: {error}")]
    half = len(images) // 2
    first, second = (embeddings[:half], embeddings[half:]) if embeddings else (None, None)
    return [
        *segment_images(segmenter, images[:half], first),
        *segment_images(segmenter, images[half:], second),
    ]


def _open_store(task: SegmentTask) -> EmbeddingStore | None:
    """Open the job's store of embeddings at the SAM of this job; None when it names no store."""
    if task.job.embeddings is None:
        return None
    sam = task.context.identity.fields["method.sam.weights"]
    fields = model_fields(task.job.method, sam)
    return EmbeddingStore(task.job.embeddings, task.job.storage, fields)


def _model_reason(error: Exception) -> Literal["out-of-memory", "model"]:
    out_of_memory = isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
    return "out-of-memory" if out_of_memory or "not enough memory" in str(error) else "model"
