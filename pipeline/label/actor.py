"""Turn a unit of encoded images into a committed part: the work of one actor."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock

import numpy as np
import pyarrow as pa

from model.build import load_method
from model.checkpoints.load import Loader
from model.networks.device import pick_device, pick_precision
from model.presence.decide import Judge
from model.segmenter import LoadedReference, Segmenter, StudyOptions
from pipeline.cluster.unit_table import table_to_units
from pipeline.embed.store import EmbeddingStore, model_fields
from pipeline.inputs.shards import KnownIds, Unit
from pipeline.label.monitoring import LabelledUnit, UnitWatch
from pipeline.label.retry import Retry, committed_unit, split_unit
from pipeline.label.rows import RowContext, unsound
from pipeline.label.stages import Row
from pipeline.label.unit_labeler import UnitLabeler
from pipeline.output.attempts import Attempt
from pipeline.output.earlier import Earlier
from pipeline.output.taken import TakenRows, take_rows
from pipeline.output.unit import CommittedIds, UnitName, read_image_ids, read_part, write_unit
from pipeline.presence.choose import kept_choice
from pipeline.presence.heads import PresenceTask
from pipeline.presence.study import Study, load_study
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
    gpus: float = 0.0
    retry: Retry | None = None
    presence: PresenceTask | None = None
    earlier: Earlier | None = None

    @property
    def known(self) -> KnownIds | None:
        """Tells a shard that changed since its first units were labelled from the one it was.

        None for a retry, which compares the units that it does again.
        """
        output = self.job.output
        return CommittedIds(output.uri, self.job.storage) if self.retry is None else None


class SegmentUnits:
    """Holds a segmenter with its references studied; called with a unit, by several threads.

    One unit at a time has the model, and so is what a death is blamed on. Meanwhile the next one
    is looked for on storage, and the last one written there.
    segmenter is the task's method on this process's device, unless one is given.
    """

    def __init__(self, task: SegmentTask, segmenter: Segmenter | None = None) -> None:
        job = task.job
        self._retry, self._earlier = task.retry, task.earlier
        self._labelers = _Labelers(task, segmenter)
        self._labelers.first()
        self._output = Place.open(job.output.uri, job.storage)
        if task.earlier is not None:
            self._before = Place.open(task.earlier.uri, job.storage)
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
            earlier = self._retry.parts[unit.shard_id, unit.number]
            committed = committed_unit(earlier)
            name = replace(committed, revision=committed.revision + 1)
        try:
            # A retried read task hands out all its units again: the committed ones cost a GET.
            part = read_part(self._output, name.path)
        except MissingFile:
            return self._write(unit, name, earlier)
        unit.check_same_images(read_image_ids(self._output, name.path))
        return _receipt(name, part, StageSeconds())

    def _write(self, unit: Unit, name: UnitName, earlier: Part | None) -> Receipt:
        """Label a unit, or what is to be retried of it or changed, and commit it whole."""
        attempt = Attempt(self._output, name)
        todo, stay = unit, None
        if earlier is not None and self._retry is not None:
            todo, stay = split_unit(self._output, unit, earlier, self._retry)
        taken = take_rows(self._before, self._earlier, unit) if self._earlier else None
        with self._turn:
            begun = time.perf_counter()
            made = self._changed(unit, attempt, taken) if taken else None
            if made is None:
                new, faults, seconds = self._labelers.whole.label(todo, attempt)
                labels, rejected = stay.merged(unit, new, faults) if stay else (new, faults)
                made = _Made(labels, rejected, new, faults, seconds)
            attempt.labelled()
        start = time.perf_counter()
        part = write_unit(self._output, name, made.labels, made.rejected, images=len(unit.images))
        attempt.forget()
        seconds = made.seconds + StageSeconds(write=time.perf_counter() - start)
        done = LabelledUnit(name, len(todo.images), made.new, made.faults, seconds, attempt.careful)
        self._watch.end(done, begun)
        count = len(made.labels) - len(made.new) if taken else 0
        return _receipt(name, part, seconds, again=attempt.careful, taken=count)

    def _changed(self, unit: Unit, attempt: Attempt, taken: TakenRows) -> "_Made | None":
        """Label a unit with what changed and join the earlier rows; None where these do not fit."""
        labeler = self._labelers.changed
        if labeler is None:
            rejected = taken.still_rejected(unit)
            new, faults, seconds = [], rejected, StageSeconds()
        else:
            new, faults, seconds = labeler.label(unit, attempt)
        labels = None if faults is None else taken.joined(unit, new, faults)
        if faults is None or labels is None:
            return None
        return _Made(labels, faults, new, faults, seconds)


@dataclass(frozen=True)
class _Made:
    """A unit's rows, and those of them that were made just now."""

    labels: list[Row]
    rejected: list[Row]
    new: list[Row]
    faults: list[Row]
    seconds: StageSeconds


def _receipt(
    name: UnitName, part: Part, seconds: StageSeconds, *, again: bool = False, taken: int = 0
) -> Receipt:
    return Receipt(
        shard_id=name.shard_id,
        number=name.number,
        last=name.last,
        part=part,
        seconds=seconds,
        again=again,
        taken=taken,
    )


class _Labelers:
    """Makes what labels all categories, or those that are not taken over: when first asked for.

    The networks are loaded once.
    """

    def __init__(self, task: SegmentTask, segmenter: Segmenter | None) -> None:
        self._task, self._given = task, segmenter

    def first(self) -> None:
        """Make what most units need, so that a model that cannot run says so at once."""
        _ = self.whole if self._task.earlier is None else self.changed

    @cached_property
    def whole(self) -> UnitLabeler:
        return self._of(self._task.references)

    @cached_property
    def changed(self) -> UnitLabeler | None:
        """None where all categories are taken over."""
        kept = self._task.earlier.kept if self._task.earlier else frozenset()
        left = [one for one in self._task.references if one.category_id not in kept]
        return self._of(left) if left else None

    def _of(self, references: Sequence[LoadedReference]) -> UnitLabeler:
        job = self._task.job
        study, judge, store = self._loaded
        context = replace(self._task.context, judge=judge)
        gpu = pick_device(self._task.gpus) == "cuda"
        return UnitLabeler(
            study(references), context, job.compute, job.limits, store, beside_gpu=gpu
        )

    @cached_property
    def _loaded(self) -> "_Loaded":
        store = _open_store(self._task)
        if (given := self._given) is not None:
            return (lambda _: given), self._task.context.judge, store
        return *_load_study(self._task), store


_Loaded = tuple[Study, Judge | None, EmbeddingStore | None]


def _load_study(task: SegmentTask) -> tuple[Study, Judge | None]:
    """Build the method's networks on this process's device; return what studies references.

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
        judge = Judge(task.presence.head, choice)
    else:
        most = instances.most if isinstance(instances, Iterative) else 1
        options = StudyOptions(cache_folder(), most)
        loader = Loader(device, precision, attention=compute.attention)
        load = load_method(local_method(task.job.method, task.job.storage), loader)

        def study(references: Sequence[LoadedReference], /) -> Segmenter:
            return load(references, options)

    def tried(references: Sequence[LoadedReference]) -> Segmenter:
        segmenter = study(references)
        # On a CPU, where a store spares the encoder, trying it would cost more than the job.
        if device == "cuda" or task.job.embeddings is None:
            # A GPU is asked for several at once, and compiles what it does with them now.
            try_out(segmenter, f"{device}, {precision}", images=2 if device == "cuda" else 1)
        return segmenter

    return tried, judge


def try_out(segmenter: Segmenter, where: str, images: int = 1) -> None:
    """Segment a grey image, or several. Raises BadInput: what fails here would fail for all."""
    try:
        found = segmenter.segment([np.full((96, 128, 3), 128, np.uint8)] * images)
    except RuntimeError as error:  # torch's own: no kernel, no memory, a broken device
        raise BadInput(
            "the model cannot run on this device",
            where,
            f"{type(error).__name__}: {error}",
            "compute.precision: fp32, a smaller SAM, or a device with more memory",
        ) from error
    if said := unsound(found[0]):
        raise BadInput(
            "the model's answers are no numbers",
            where,
            f"of a grey image, {said}",
            "weights that are whole, or compute.precision: fp32",
        )


def _open_store(task: SegmentTask) -> EmbeddingStore | None:
    """Open the job's store of embeddings at the SAM of this job; None when it names no store."""
    if task.job.embeddings is None:
        return None
    sam = sam_contents_in(task.context.identity.fields)
    fields = model_fields(task.job.method, sam)
    return EmbeddingStore(task.job.embeddings, task.job.storage, fields)
