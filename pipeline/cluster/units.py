"""Turn planned shards into a Ray dataset of units: one row, and so one block, per unit."""

from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa
import ray.data
from ray.data import TaskPoolStrategy

from pipeline.cluster.capacity import READ_CPUS
from pipeline.inputs.shards import EncodedImage, Unit, read_units
from schemas.errors import ImageRejected
from schemas.job.embed import EmbedJob
from schemas.job.label import LabelJob
from schemas.record.commit import Shard

# Encoded bytes only: a unit of 256 JPEGs is some 30 MB here, decoded it would be 800.
UNIT_SCHEMA = pa.schema(
    [
        ("shard_id", pa.string()),
        ("number", pa.int32()),
        ("last", pa.bool_()),
        (
            "images",
            pa.large_list(
                pa.struct(
                    [
                        ("image_id", pa.string()),
                        ("uri", pa.string()),
                        ("data", pa.large_binary()),  # 32-bit offsets end at 2 GiB a unit
                        ("reason", pa.string()),  # null: no fault found in reading
                        ("message", pa.string()),
                    ]
                )
            ),
        ),
    ]
)


def read_dataset(
    job: LabelJob | EmbedJob, unfinished: Sequence[tuple[Shard, frozenset[int]]]
) -> ray.data.Dataset:
    """Return a lazy dataset of UNIT_SCHEMA rows, one task a shard, committed units left out."""
    items = [{"shard": shard.model_dump_json(), "done": sorted(done)} for shard, done in unfinished]
    return ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        partial(_read_shards, job=job),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=READ_CPUS,
        compute=TaskPoolStrategy(size=min(job.compute.read_tasks, len(items))),
    )


def _read_shards(table: pa.Table, job: LabelJob | EmbedJob) -> Iterator[pa.Table]:
    for row in table.to_pylist():
        shard = Shard.model_validate_json(row["shard"])
        done = frozenset(row["done"])
        for unit in read_units(shard, job.targets, job.storage, job.limits, done):
            yield unit_to_table(unit)


def unit_to_table(unit: Unit) -> pa.Table:
    """Pack a unit as one row of UNIT_SCHEMA."""
    images = [
        {
            "image_id": image.image_id,
            "uri": image.uri,
            "data": image.data,
            "reason": image.fault.reason if image.fault else None,
            "message": image.fault.message if image.fault else None,
        }
        for image in unit.images
    ]
    row = {
        "shard_id": unit.shard_id,
        "number": unit.number,
        "last": unit.last,
        "images": images,
    }
    return pa.Table.from_pylist([row], schema=UNIT_SCHEMA)


def table_to_units(table: pa.Table) -> list[Unit]:
    """Unpack the rows of UNIT_SCHEMA."""
    return [
        Unit(
            shard_id=row["shard_id"],
            number=row["number"],
            last=row["last"],
            images=tuple(_image(image) for image in row["images"]),
        )
        for row in table.to_pylist()
    ]


def _image(row: dict) -> EncodedImage:
    fault = ImageRejected(row["reason"], row["message"]) if row["reason"] else None
    return EncodedImage(row["image_id"], row["uri"], row["data"], fault)
