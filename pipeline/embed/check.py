"""Find everything that is wrong with an embedding job, and what is left to do of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.embed.store import EmbeddingStore, list_shards, model_fields
from pipeline.inputs.sources import plan_shards
from pipeline.output.commit import unfinished
from pipeline.output.plan import Plan, merge_plan
from pipeline.storage.files import check_writable
from pipeline.storage.place import Place
from pipeline.weights.of_method import weight_contents
from schemas.job.embed import EmbedJob
from schemas.job.weights import sam_contents_in
from schemas.record.commit import Shard


@dataclass(frozen=True)
class CheckedEmbedding:
    """A job found sound, and what is left to do of it."""

    job: EmbedJob
    fields: Mapping[str, str]
    folder: Place
    plan: Plan
    unfinished: tuple[tuple[Shard, frozenset[int]], ...]


def check(job: EmbedJob) -> CheckedEmbedding:
    """Find everything that is wrong with a job before any actor starts. Raises BadInput."""
    sam = sam_contents_in(weight_contents(job.method, job.storage))
    fields = model_fields(job.method, sam)
    check_writable(job.embeddings, job.storage)
    store = EmbeddingStore(job.embeddings, job.storage, fields)
    plan = merge_plan([], plan_shards(job.targets, job.storage, job.compute.images_per_unit))
    left = tuple(unfinished(plan, list_shards(store.folder)))
    return CheckedEmbedding(job, fields, store.folder, plan, left)
