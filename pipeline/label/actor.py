"""Turn a unit of encoded images into a committed part: the work of one actor."""

import time
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
import pyarrow as pa

from model.build import build_segmenter
from model.networks.device import pick_device, pick_precision
from model.presence.decide import Judge
from model.segmenter import LoadedReference, Segmenter, StudyOptions
from pipeline.cluster.units import table_to_units
from pipeline.embed.store import EmbeddingStore, model_fields
from pipeline.inputs.shards import Unit
from pipeline.label.monitoring import LabelledUnit, UnitWatch
from pipeline.label.retry import Retry, split_unit
from pipeline.label.rows import RowContext
from pipeline.label.unit_labeler import UnitLabeler
from pipeline.output.attempts import Attempt
from pipeline.output.unit import UnitName, read_part, write_unit
from pipeline.presence.choose import kept_choice
from pipeline.presence.heads import PresenceTask
from pipeline.presence.study import load_study
from pipeline.storage.place import Place
from pipeline.weights.fetch import cache_folder
from pipeline.weights.of_method import local_method
from schemas.errors import BadInput, MissingFile
from schemas.job.label import Iterative, LabelJob
from schemas.job.weights import sam_contents_in
from schemas.record.commit import Part
from schemas.record.receipt import Receipt, StageSeconds


@dataclass(frozen=True)
class SegmentTask:
    """All that an actor needs to start: values only, so that it can start on any node."""

    job: LabelJob
    references: tuple[LoadedReference, ...]
    context: RowContext
    gpus: float
    retry: Retry | None = None
    presence: PresenceTask | None = None


class SegmentUnits:
    """Holds a segmenter with its references studied; called with a unit, by several threads.

    One unit at a time has the model, and so is what a death is blamed on. Meanwhile the next one
    is looked for on storage, and the last one written there.
    segmenter is the task's method on this process's device, unless one is given.
    """

    def __init__(self, task: SegmentTask, segmenter: Segmenter | None = None) -> None:
        job = task.job
        self._retry = task.retry
        context = task.context
        if segmenter is None:
            segmenter, judge = _load_segmenter(task)
            context = replace(context, judge=judge)
        self._labeler = UnitLabeler(
            segmenter,
            context,
            job.compute,
            job.limits,
            _open_store(task),
        )
        self._output = Place.open(job.output.uri, job.storage)
        self._watch = UnitWatch(job.output.uri)
        self._turn = Lock()

    def __call__(self, table: pa.Table) -> dict[str, list[str]]:
        """Commit the units of a block (one) and return their receipts as JSON."""
        receipts = [self._commit(unit) for unit in table_to_units(table)]
        return {"receipt": [receipt.model_dump_json() for receipt in receipts]}

    def _commit(self, unit: Unit) -> Receipt:
        name = UnitName(unit.shard_id, unit.number, unit.last)
        earlier = None
        if self._retry is not None:
            earlier = self._retry.names[unit.shard_id, unit.number]
            name = replace(earlier, revision=earlier.revision + 1)
        try:
            # A retried read task hands out all its units again: the committed ones cost a GET.
            part = read_part(self._output, name.path)
            seconds, again = StageSeconds(), False
        except MissingFile:
            part, seconds, again = self._write(unit, name, earlier)
        return Receipt(
            shard_id=name.shard_id,
            number=name.number,
            last=name.last,
            part=part,
            seconds=seconds,
            again=again,
        )

    def _write(
        self, unit: Unit, name: UnitName, earlier: UnitName | None
    ) -> tuple[Part, StageSeconds, bool]:
        """Label a unit, or what is to be retried of it, and commit it whole.

        Also returns whether an earlier try at it was cut off.
        """
        attempt = Attempt(self._output, name)
        todo, stay = unit, None
        if earlier is not None and self._retry is not None:
            todo, stay = split_unit(self._output, unit, earlier, self._retry)
        with self._turn:
            begun = time.perf_counter()
            new, faults, seconds = self._labeler.label(todo, attempt)
            attempt.labelled()
        labels, rejected = stay.merged(unit, new, faults) if stay else (new, faults)
        start = time.perf_counter()
        part = write_unit(self._output, name, labels, rejected, images=len(unit.images))
        attempt.forget()
        seconds += StageSeconds(write=time.perf_counter() - start)
        done = LabelledUnit(name, len(todo.images), new, faults, seconds, attempt.careful)
        self._watch.end(done, begun)
        return part, seconds, attempt.careful


def _load_segmenter(task: SegmentTask) -> tuple[Segmenter, Judge | None]:
    """Build the method's networks on this process's device and study the references.

    Also returns what says whether an object is there, where the job asks.
    """
    compute, instances = task.job.compute, task.job.instances
    device = pick_device(task.gpus)
    precision = pick_precision(compute.precision, device)
    judge = None
    if task.presence is not None:
        study = load_study(task.job, task.gpus)
        output = Place.open(task.job.output.uri, task.job.storage)
        choice = kept_choice(output, study, task.references, task.presence)
        segmenter, judge = study(task.references), Judge(task.presence.head, choice)
    else:
        segmenter = build_segmenter(
            local_method(task.job.method, task.job.storage),
            task.references,
            device,
            precision,
            StudyOptions(cache_folder(), instances.most if isinstance(instances, Iterative) else 1),
            compute.attention,
        )
    # On a CPU, where a store spares the encoder, trying it would cost more than the job.
    if device == "cuda" or task.job.embeddings is None:
        try_out(segmenter, f"{device}, {precision}")
    return segmenter, judge


def try_out(segmenter: Segmenter, where: str) -> None:
    """Segment one grey image. Raises BadInput: what fails here would fail for every image."""
    try:
        segmenter.segment([np.full((96, 128, 3), 128, np.uint8)])
    except RuntimeError as error:  # torch's own: no kernel, no memory, a broken device
        raise BadInput(
            "the model cannot run on this device",
            where,
            f"{type(error).__name__}: {error}",
            "compute.precision: fp32, a smaller SAM, or a device with more memory",
        ) from error


def _open_store(task: SegmentTask) -> EmbeddingStore | None:
    """Open the job's store of embeddings at the SAM of this job; None when it names no store."""
    if task.job.embeddings is None:
        return None
    sam = sam_contents_in(task.context.identity.fields)
    fields = model_fields(task.job.method, sam)
    return EmbeddingStore(task.job.embeddings, task.job.storage, fields)
