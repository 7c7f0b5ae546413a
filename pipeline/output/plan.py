"""Compare what earlier runs planned with what lies in the inputs now, and keep the union.

A plan is append-only: plan/00000.parquet lists the shards of the first run, plan/00001.parquet
those that had appeared by a later one. So growing inputs never shift a unit that is committed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.inputs.sources import cut_list
from pipeline.output.paths import PLAN, plan_file
from pipeline.storage.place import Place
from pipeline.storage.tables import from_parquet, to_parquet
from schemas.commit import Shard
from schemas.errors import BadInput

PLAN_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("kind", pa.string()),
        ("name", pa.string()),
        ("uri", pa.string()),
        ("size_bytes", pa.int64()),
        ("image_ids", pa.list_(pa.string())),
        ("image_uris", pa.list_(pa.string())),
        ("images_per_unit", pa.int32()),
    ]
)


@dataclass(frozen=True)
class Plan:
    """Every shard this output covers, in the order it was first seen."""

    shards: tuple[Shard, ...]
    new: tuple[Shard, ...]  # the shards no plan file lists yet
    vanished: tuple[str, ...]  # names of shards or images planned earlier and gone from the inputs

    def has_file(self, shard: Shard) -> bool:
        """True unless the shard is a file that has vanished; a list loses images one by one."""
        return shard.kind == "images" or shard.name not in self.vanished


def read_plan(output: Place) -> tuple[tuple[Shard, ...], int]:
    """Return the shards that earlier runs planned, and the number of plan files."""
    names = sorted(output.below(PLAN).files())
    shards = [
        shard for name in names for shard in _from_file(output.below(f"{PLAN}/{name}").read())
    ]
    return tuple(shards), len(names)


def merge_plan(known: Sequence[Shard], current: Sequence[Shard]) -> Plan:
    """Extend the known shards by those of the current inputs.

    Known shards take the address of their current namesake, so that a collection may move. Raises
    BadInput when a shard of a known name has changed: its images would be labelled twice.
    """
    known_lists = [shard for shard in known if shard.kind == "images"]
    known_files = {shard.name: shard for shard in known if shard.kind != "images"}
    current_files = {shard.name: shard for shard in current if shard.kind != "images"}
    for name, shard in current_files.items():
        before = known_files.get(name)
        if before is not None and before.id != shard.id:
            raise BadInput(
                "a shard has changed since this output was begun",
                shard.uri,
                f"{shard.size_bytes} bytes",
                f"{before.size_bytes} bytes as planned, or a new output",
            )
    new_files = [shard for name, shard in current_files.items() if name not in known_files]
    gone_files = [name for name in known_files if name not in current_files]

    addresses = {i: uri for shard in current if shard.kind == "images" for i, uri in shard.images}
    planned = {image_id for shard in known_lists for image_id, _ in shard.images}
    new_images = [(i, uri) for i, uri in addresses.items() if i not in planned]
    gone_images = [image_id for image_id in planned if image_id not in addresses]
    lists = [shard for shard in current if shard.kind == "images"]
    new_lists = cut_list(new_images, lists[0].uri, lists[0].images_per_unit) if new_images else []

    moved = [_at_current_address(shard, current_files, addresses) for shard in known]
    new = (*new_files, *new_lists)
    return Plan((*moved, *new), new, tuple(sorted((*gone_files, *gone_images))))


def extend_plan(output: Place, current: Sequence[Shard]) -> Plan:
    """Write what is new as one more plan file; a driver that lost that race merges again."""
    while True:
        known, files = read_plan(output)
        plan = merge_plan(known, current)
        if not plan.new:
            return plan
        if output.below(plan_file(files)).create(_to_file(plan.new)):
            return plan


def _at_current_address(shard: Shard, files: dict[str, Shard], addresses: dict[str, str]) -> Shard:
    if shard.kind == "images":
        images = tuple((i, addresses.get(i, uri)) for i, uri in shard.images)
        return shard.model_copy(update={"images": images})
    if shard.name in files:
        return shard.model_copy(update={"uri": files[shard.name].uri})
    return shard


def _to_file(shards: Sequence[Shard]) -> bytes:
    rows = [
        {
            **shard.model_dump(exclude={"images"}),
            "image_ids": [image_id for image_id, _ in shard.images],
            "image_uris": [uri for _, uri in shard.images],
        }
        for shard in shards
    ]
    return to_parquet(pa.Table.from_pylist(rows, schema=PLAN_SCHEMA))


def _from_file(data: bytes) -> list[Shard]:
    return [
        Shard(images=tuple(zip(row.pop("image_ids"), row.pop("image_uris"), strict=True)), **row)
        for row in from_parquet(data).to_pylist()
    ]
