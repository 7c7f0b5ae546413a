"""Gather the parts of a finished plan into commit.json, the only list of what exists."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from pipeline.output.paths import COMMIT, PRESENCE
from pipeline.output.plan import Plan
from pipeline.output.unit import UnitName, read_part
from pipeline.storage.place import Place
from schemas.errors import MissingFile
from schemas.record.commit import Commit, Counts, Identity, Part, Shard
from schemas.record.presence import PresenceChoice

HEAD = "presence.head"
"""The field of an identity whose job asks whether objects are there."""

READ_THREADS = 16  # GETs of about 100 kB each: latency, not bandwidth, is what they wait for


def unfinished(plan: Plan, units: Iterable[UnitName]) -> list[tuple[Shard, frozenset[int]]]:
    """Return the shards with units to do, each with the unit numbers that are committed.

    A file that has vanished from the inputs cannot be read: what it has stays, and it is reported.
    """
    done: dict[str, set[int]] = {}
    ends: dict[str, int] = {}
    for unit in units:
        done.setdefault(unit.shard_id, set()).add(unit.number)
        if unit.last:
            ends[unit.shard_id] = unit.number
    return [
        (shard, frozenset(done.get(shard.id, ())))
        for shard in plan.shards
        if (shard.id not in ends or len(done[shard.id]) != ends[shard.id] + 1)
        and plan.has_file(shard)
    ]


def read_commit(output: Place) -> Commit | None:
    """Return the output's commit, None when it has none yet."""
    try:
        return Commit.model_validate_json(output.below(COMMIT).read())
    except MissingFile:
        return None


def read_choice(output: Place) -> PresenceChoice | None:
    """Return how the output's job tells present from absent, None where no actor began yet."""
    try:
        return PresenceChoice.model_validate_json(output.below(PRESENCE).read())
    except MissingFile:
        return None


def is_complete(commit: Commit | None, plan: Plan, sizes: Mapping[UnitName, int]) -> bool:
    """True when the commit covers the plan, and lists the newest part of every unit as it is.

    sizes are those of `list_sizes`: a part of another size is not the one that was committed.
    """
    if commit is None or commit.shards != len(plan.shards):
        return False
    planned = {shard.id for shard in plan.shards}
    newest = {unit.path: size for unit, size in sizes.items() if unit.shard_id in planned}
    return {part.path: part.bytes for part in commit.parts} == newest


def unchanged_parts(commit: Commit | None, sizes: Mapping[UnitName, int]) -> dict[str, Part]:
    """Return the parts that a commit lists and that still have their sizes, by path."""
    now = {unit.path: size for unit, size in sizes.items()}
    parts = commit.parts if commit is not None else ()
    return {part.path: part for part in parts if now.get(part.path) == part.bytes}


def read_parts(output: Place, paths: Sequence[str]) -> dict[str, Part]:
    """Read what parts say of themselves, by path. Raises BadStorage."""
    with ThreadPoolExecutor(READ_THREADS) as pool:
        return dict(zip(paths, pool.map(lambda p: read_part(output, p), paths), strict=True))


def write_commit(
    output: Place,
    identity: Identity,
    plan: Plan,
    known: dict[str, Part],
    units: Iterable[UnitName],
) -> Commit:
    """List every part of the plan's shards and write commit.json last.

    known holds parts already read, by path; the others are read from storage.
    """
    order = {shard.id: position for position, shard in enumerate(plan.shards)}
    named = sorted(
        (unit for unit in units if unit.shard_id in order),
        key=lambda unit: (order[unit.shard_id], unit.number),
    )
    read = known | read_parts(output, [u.path for u in named if u.path not in known])
    parts = [read[unit.path] for unit in named]
    commit = Commit(
        fingerprint=identity.fingerprint,
        random_weights=identity.random_weights,
        categories=identity.categories,
        counts=total_counts(parts),
        shards=len(plan.shards),
        vanished=plan.vanished,
        presence=read_choice(output) if HEAD in identity.fields else None,
        parts=tuple(parts),
    )
    output.below(COMMIT).replace(commit.model_dump_json(indent=1).encode())
    return commit


def total_counts(parts: Sequence[Part]) -> Counts:
    """Return the sums over parts."""
    images = sum(part.images for part in parts)
    rejected = sum(part.rejected for part in parts)
    review = [part.review for part in parts if part.review is not None]
    return Counts(
        images=images,
        with_labels=images - rejected,
        rejected=rejected,
        rows=sum(part.rows for part in parts),
        labelled=sum(part.labelled for part in parts),
        empty=sum(part.empty for part in parts),
        instances=sum(part.instances for part in parts),
        review=sum(review) if len(review) == len(parts) else None,
    )
