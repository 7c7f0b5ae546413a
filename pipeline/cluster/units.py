"""Turn planned shards into a Ray dataset of units: one row, and so one block, per unit."""

from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa
import ray.data
from ray.data import TaskPoolStrategy

from pipeline.cluster.capacity import READ_CPUS
from pipeline.cluster.unit_table import unit_to_table
from pipeline.inputs.shards import KnownIds, read_units
from schemas.job.embed import EmbedJob
from schemas.job.label import LabelJob
from schemas.record.commit import Shard


def read_dataset(
    job: LabelJob | EmbedJob,
    unfinished: Sequence[tuple[Shard, frozenset[int]]],
    known: KnownIds | None = None,
) -> ray.data.Dataset:
    """Return a lazy dataset of UNIT_SCHEMA rows, one task a shard, committed units left out."""
    items = [{"shard": shard.model_dump_json(), "done": sorted(done)} for shard, done in unfinished]
    return ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        partial(_read_shards, job=job, known=known),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=READ_CPUS,
        compute=TaskPoolStrategy(size=min(job.compute.read_tasks, len(items))),
    )


def _read_shards(
    table: pa.Table, job: LabelJob | EmbedJob, known: KnownIds | None
) -> Iterator[pa.Table]:
    for row in table.to_pylist():
        shard = Shard.model_validate_json(row["shard"])
        done = frozenset(row["done"])
        for unit in read_units(shard, job.targets, job.storage, job.limits, done, known):
            yield unit_to_table(unit)
