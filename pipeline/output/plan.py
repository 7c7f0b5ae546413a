"""Compare what earlier runs planned with what lies in the inputs now, and keep the union.

A plan is append-only: plan/00000.parquet lists the shards of the first run, plan/00001.parquet
those that had appeared by a later one. So growing inputs never shift a unit that is committed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipeline.inputs.sources import cut_list, renamed
from pipeline.output.namesakes import IsOther, match_files, never_other
from pipeline.output.paths import PLAN, plan_file
from pipeline.storage.place import Place
from pipeline.storage.tables import from_parquet, to_parquet
from schemas.errors import BadInput
from schemas.record.commit import Shard

_PLAN_FILE = re.compile(r"\d{5,}\.parquet")
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
        ("reading", pa.int8()),  # absent in older plans: 1
    ]
)


@dataclass(frozen=True)
class Plan:
    """Every shard this output covers, in the order it was first seen."""

    shards: tuple[Shard, ...]
    new: tuple[Shard, ...]  # the shards no plan file lists yet
    vanished: tuple[str, ...]  # names of shards or images planned earlier and gone from the inputs
    moved: tuple[tuple[str, str, str], ...] = ()
    """Of those planned at another address: their names, that address, and the one they have now."""

    def has_file(self, shard: Shard) -> bool:
        """True unless the shard is a file that has vanished; a list loses images one by one."""
        return shard.kind == "images" or shard.name not in self.vanished


def read_plan(output: Place) -> tuple[tuple[Shard, ...], int]:
    """Return the shards that earlier runs planned, and the number of plan files.

    What a process killed as it wrote one left beside them is none.
    """
    names = sorted(name for name in output.below(PLAN).files() if _PLAN_FILE.fullmatch(name))
    shards = [
        shard for name in names for shard in _from_file(output.below(f"{PLAN}/{name}").read())
    ]
    return tuple(shards), len(names)


def merge_plan(
    known: Sequence[Shard],
    current: Sequence[Shard],
    *,
    ids_given: bool = False,
    is_other: IsOther = never_other,
) -> Plan:
    """Extend the known shards by those of the current inputs.

    What is known keeps the name it was planned under (`pipeline.output.namesakes`) and takes its
    current address, so that lists may grow and collections move. Raises BadInput when a known file
    has changed: its images would be labelled twice; and when given ids mean other files.
    """
    files = {shard.name: shard for shard in known if shard.kind != "images"}
    listed = {shard.uri: shard for shard in current if shard.kind != "images"}
    planned = {name: shard.uri for name, shard in files.items()}
    named = [(shard.name, uri) for uri, shard in listed.items()]
    found = match_files(planned, named, is_other=is_other)
    for name, uri in found.known.items():
        _check_size(files[name], listed[uri])
    new_files = [renamed(listed[uri], name) for name, uri in found.new]

    lists = [shard for shard in current if shard.kind == "images"]
    # A tar's or Parquet file's shard lists no images.
    planned_images = {image_id: uri for shard in known for image_id, uri in shard.images}
    images = [image for shard in lists for image in shard.images]
    found_images = match_files(planned_images, images, names_given=ids_given, is_other=is_other)
    new_lists = (
        cut_list(found_images.new, lists[0].uri, lists[0].images_per_unit)
        if found_images.new
        else []
    )

    there = [_at_current_address(shard, found.known, found_images.known) for shard in known]
    new = (*new_files, *new_lists)
    gone = [*found.gone(planned), *found_images.gone(planned_images)]
    moved = [*found.moved(planned), *found_images.moved(planned_images)]
    return Plan((*there, *new), new, tuple(sorted(gone)), tuple(moved))


def _check_size(planned: Shard, current: Shard) -> None:
    if planned.size_bytes != current.size_bytes:
        raise BadInput(
            "a shard has changed since this output was begun",
            current.uri,
            f"{current.size_bytes} bytes",
            f"{planned.size_bytes} bytes as planned, or a new output",
        )


def extend_plan(
    output: Place,
    current: Sequence[Shard],
    *,
    ids_given: bool = False,
    is_other: IsOther = never_other,
) -> Plan:
    """Write what is new as one more plan file; a driver that lost that race merges again."""
    while True:
        known, files = read_plan(output)
        plan = merge_plan(known, current, ids_given=ids_given, is_other=is_other)
        if not plan.new:
            return plan
        if output.below(plan_file(files)).create(_to_file(plan.new)):
            return plan


def _at_current_address(
    shard: Shard, files: Mapping[str, str], addresses: Mapping[str, str]
) -> Shard:
    if shard.kind == "images":
        images = tuple((i, addresses.get(i, uri)) for i, uri in shard.images)
        return shard.model_copy(update={"images": images})
    return shard.model_copy(update={"uri": files.get(shard.name, shard.uri)})


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
