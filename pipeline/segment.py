"""Turn a unit of encoded images into a committed part: the work of one actor."""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import pyarrow as pa

from model.build import build_segmenter
from model.device import pick_device, pick_precision
from model.segmenter import LoadedReference, Prediction, Segmenter
from pipeline.decode import DecodedImage, decode_image
from pipeline.method_weights import local_method
from pipeline.read import table_to_units
from pipeline.rows import RowContext, label_row, rejected_row
from pipeline.shards import EncodedImage, Unit
from pipeline.sink import UnitName, read_part, write_unit
from pipeline.storage import open_filesystem
from schemas.errors import ImageRejected, MissingFile
from schemas.job import LabelJob
from schemas.receipt import Receipt, StageSeconds

Decoded = tuple[EncodedImage, DecodedImage | ImageRejected, float]


@dataclass(frozen=True)
class SegmentTask:
    """All that an actor needs to start: values only, so that it can start on any node."""

    job: LabelJob
    references: tuple[LoadedReference, ...]
    context: RowContext
    gpus: float


class SegmentUnits:
    """Holds a segmenter with its references studied; called with one unit at a time."""

    def __init__(self, task: SegmentTask) -> None:
        compute = task.job.compute
        device = pick_device(task.gpus)
        self._task = task
        self._segmenter: Segmenter = build_segmenter(
            local_method(task.job.method, task.job.storage),
            task.references,
            device,
            pick_precision(compute.precision, device),
        )
        self._fs, self._output = open_filesystem(task.job.output.uri, task.job.storage)
        self._threads = ThreadPoolExecutor(compute.decode_threads)

    def __call__(self, table: pa.Table) -> dict[str, list[str]]:
        """Commit the units of a block (one) and return their receipts as JSON."""
        receipts = [self._commit(unit) for unit in table_to_units(table)]
        return {"receipt": [receipt.model_dump_json() for receipt in receipts]}

    def _commit(self, unit: Unit) -> Receipt:
        name = UnitName(unit.shard_id, unit.number, unit.last)
        try:
            # A retried read task hands out all its units again: the committed ones cost a GET.
            part = read_part(self._fs, self._output, f"labels/{name}.parquet")
            seconds = StageSeconds()
        except MissingFile:
            labels, rejected, seconds = self._label(unit)
            start = time.perf_counter()
            part = write_unit(
                self._fs, self._output, name, labels, rejected, images=len(unit.images)
            )
            seconds += StageSeconds(write=time.perf_counter() - start)
        return Receipt(
            shard_id=name.shard_id, number=name.number, last=name.last, part=part, seconds=seconds
        )

    def _label(self, unit: Unit) -> tuple[list[dict], list[dict], StageSeconds]:
        """Return the unit's label rows in the order of its images, and its rejected rows."""
        pending: list[Future[tuple[list[dict[str, Any]], float]]] = []
        rejected: list[dict[str, Any]] = []
        decode_s = segment_s = 0.0
        good: list[tuple[EncodedImage, DecodedImage]] = []

        def segment_good() -> None:
            nonlocal segment_s
            start = time.perf_counter()
            outcomes = segment_images(self._segmenter, [image.pixels_HW3 for _, image in good])
            segment_s += time.perf_counter() - start
            for (encoded, image), outcome in zip(good, outcomes, strict=True):
                if isinstance(outcome, ImageRejected):
                    rejected.append(rejected_row(encoded, outcome, self._task.context))
                else:
                    pending.append(self._threads.submit(self._encode, encoded, image, outcome))
            good.clear()

        for encoded, outcome, seconds in self._decode_ahead(unit.images):
            decode_s += seconds
            if isinstance(outcome, ImageRejected):
                rejected.append(rejected_row(encoded, outcome, self._task.context))
            else:
                good.append((encoded, outcome))
            if len(good) == self._task.job.compute.batch_size:
                segment_good()
        if good:
            segment_good()
        encoded_rows = [future.result() for future in pending]
        rows = [row for image_rows, _ in encoded_rows for row in image_rows]
        encode_s = sum(seconds for _, seconds in encoded_rows)
        return rows, rejected, StageSeconds(decode=decode_s, segment=segment_s, encode=encode_s)

    def _decode_ahead(self, images: Iterable[EncodedImage]) -> Iterator[Decoded]:
        """Decode in threads, in order, at most two batches ahead: a decoded image is megabytes."""
        queue: deque[Future[Decoded]] = deque()
        waiting = iter(images)
        for image in islice(waiting, 2 * self._task.job.compute.batch_size):
            queue.append(self._threads.submit(self._decode, image))
        while queue:
            yield queue.popleft().result()
            for image in islice(waiting, 1):
                queue.append(self._threads.submit(self._decode, image))

    def _decode(self, image: EncodedImage) -> Decoded:
        if image.fault is not None:
            return image, image.fault, 0.0
        start = time.perf_counter()
        try:
            outcome = decode_image(image.data, self._task.job.limits)
        except ImageRejected as rejected:
            outcome = rejected
        return image, outcome, time.perf_counter() - start

    def _encode(
        self, encoded: EncodedImage, image: DecodedImage, predictions: Sequence[Prediction]
    ) -> tuple[list[dict[str, Any]], float]:
        start = time.perf_counter()
        height, width, _ = image.pixels_HW3.shape
        about = {
            "image_id": encoded.image_id,
            "uri": encoded.uri,
            "exif_orientation": image.exif_orientation,
        }
        rows = [
            about | label_row(prediction, (height, width), self._task.context)
            for prediction in predictions
        ]
        return rows, time.perf_counter() - start


def segment_images(
    segmenter: Segmenter, images: Sequence[Any]
) -> list[tuple[Prediction, ...] | ImageRejected]:
    """Segment a batch; where it fails, halve it down to the one image that cannot be segmented.

    A batch out of memory is thus tried in halves, and a poisoned image loses no neighbour.
    """
    try:
        return list(segmenter.segment(images))
    except (RuntimeError, MemoryError, ValueError) as error:
        # RuntimeError is torch's own, torch.OutOfMemoryError included.
        if len(images) == 1:
            return [ImageRejected(_model_reason(error), f"{type(error).__name__}: {error}")]
    half = len(images) // 2
    return [
        *segment_images(segmenter, images[:half]),
        *segment_images(segmenter, images[half:]),
    ]


def _model_reason(error: Exception) -> Literal["out-of-memory", "model"]:
    out_of_memory = isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
    return "out-of-memory" if out_of_memory or "not enough memory" in str(error) else "model"
