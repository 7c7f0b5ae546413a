"""Embed a collection: read what is missing, run SAM's encoder, commit shards of embeddings."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pyarrow as pa
from fsspec import AbstractFileSystem
from ray.data import ActorPoolStrategy

from model.embed import SamEmbedder
from model.networks.device import pick_device, pick_precision
from pipeline.cluster.capacity import check_pool
from pipeline.cluster.units import read_dataset, table_to_units
from pipeline.embed.store import (
    EmbeddingStore,
    claim_store,
    image_key,
    list_shards,
    model_fields,
    pack_shard,
    write_shard,
)
from pipeline.inputs.decode import DecodedImage, decode_image
from pipeline.inputs.shards import EncodedImage, Unit
from pipeline.inputs.sources import plan_shards
from pipeline.label.run import ACTOR_RESTARTS, TASK_RETRIES
from pipeline.output.commit import unfinished
from pipeline.output.plan import Plan, merge_plan
from pipeline.output.unit import UnitName
from pipeline.storage.files import check_writable, open_filesystem
from pipeline.weights.of_method import local_method, weight_contents
from schemas.commit import Shard
from schemas.embed import EmbedJob, EmbedReceipt
from schemas.errors import ImageRejected


@dataclass(frozen=True)
class CheckedEmbedding:
    """A job found sound, and what is left to do of it."""

    job: EmbedJob
    fields: Mapping[str, str]
    fs: AbstractFileSystem
    folder: str
    plan: Plan
    unfinished: tuple[tuple[Shard, frozenset[int]], ...]


def check(job: EmbedJob) -> CheckedEmbedding:
    """Find everything that is wrong with a job before any actor starts. Raises BadInput."""
    sam = weight_contents(job.method, job.storage)["method.sam.weights"]
    fields = model_fields(job.method, sam)
    check_writable(job.embeddings, job.storage)
    store = EmbeddingStore(job.embeddings, job.storage, fields)
    fs, _ = open_filesystem(job.embeddings, job.storage)
    plan = merge_plan([], plan_shards(job.targets, job.storage, job.compute.images_per_unit))
    left = tuple(unfinished(plan, list_shards(fs, store.folder)))
    return CheckedEmbedding(job, fields, fs, store.folder, plan, left)


def embed(checked: CheckedEmbedding, on_receipt: Callable[[EmbedReceipt], None]) -> EmbeddingStore:
    """Do what is missing and return the store. Needs ray to be initialised if anything is.

    on_receipt is called in this process for every unit committed.
    """
    job = checked.job
    claim_store(checked.fs, checked.folder, checked.fields)
    if checked.unfinished:
        gpus = check_pool(job.compute)
        receipts = read_dataset(job, checked.unfinished).map_batches(
            EmbedUnits,
            fn_constructor_args=(job, dict(checked.fields), gpus),
            batch_size=1,  # one unit: a block holds one. With GPUs, Ray refuses None
            batch_format="pyarrow",
            num_cpus=job.compute.cpus_per_actor,
            num_gpus=gpus,
            compute=ActorPoolStrategy(
                min_size=job.compute.actors.min,
                max_size=job.compute.actors.max,
                max_tasks_in_flight_per_actor=2,  # one at work, one on its way
            ),
            max_restarts=ACTOR_RESTARTS,
            max_task_retries=TASK_RETRIES,
        )
        for block in receipts.iter_batches(batch_size=None, prefetch_batches=0):
            for text in block["receipt"]:
                on_receipt(EmbedReceipt.model_validate_json(text))
    return EmbeddingStore(job.embeddings, job.storage, checked.fields)


class EmbedUnits:
    """Holds SAM's encoder; called with one unit at a time."""

    def __init__(self, job: EmbedJob, fields: Mapping[str, str], gpus: float) -> None:
        device = pick_device(gpus)
        self._job = job
        self._fields = fields
        self._embedder = SamEmbedder(
            local_method(job.method, job.storage),
            device,
            pick_precision(job.compute.precision, device),
        )
        self._fs, _ = open_filesystem(job.embeddings, job.storage)
        self._store = EmbeddingStore(job.embeddings, job.storage, fields)
        self._decoders = ThreadPoolExecutor(job.compute.decode_threads)

    def __call__(self, table: pa.Table) -> dict[str, list[str]]:
        """Commit the units of a block (one) and return their receipts as JSON."""
        return {"receipt": [self._commit(u).model_dump_json() for u in table_to_units(table)]}

    def _commit(self, unit: Unit) -> EmbedReceipt:
        start = time.perf_counter()
        new: dict[str, EncodedImage] = {}
        rejected: list[tuple[str, str]] = []
        for image in unit.images:
            if image.fault is not None:
                rejected.append((image.image_id, str(image.fault)))
            elif (key := image_key(image.data)) not in self._store:
                new.setdefault(key, image)
        embeddings = {}
        keys = list(new)
        step = self._job.compute.batch_size
        for first in range(0, len(keys), step):
            chosen = keys[first : first + step]
            good: dict[str, DecodedImage] = {}
            decoded = self._decoders.map(self._decode, [new[key] for key in chosen])
            for key, outcome in zip(chosen, decoded, strict=True):
                if isinstance(outcome, ImageRejected):
                    rejected.append((new[key].image_id, str(outcome)))
                else:
                    good[key] = outcome
            found = self._embedder.embed([image.pixels_HW3 for image in good.values()])
            embeddings |= dict(zip(good, found, strict=True))
        data = pack_shard(embeddings, self._fields)
        name = UnitName(unit.shard_id, unit.number, unit.last)
        write_shard(self._fs, self._store.folder, name, data)
        return EmbedReceipt(
            shard_id=unit.shard_id,
            number=unit.number,
            last=unit.last,
            embedded=len(embeddings),
            known=len(unit.images) - len(embeddings) - len(rejected),
            rejected=tuple(rejected),
            bytes=len(data),
            seconds=time.perf_counter() - start,
        )

    def _decode(self, image: EncodedImage) -> DecodedImage | ImageRejected:
        try:
            return decode_image(image.data, self._job.limits)
        except ImageRejected as rejected:
            return rejected
