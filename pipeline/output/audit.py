"""Re-read a commit from storage and list everything that is not as it says."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.masks.faults import check_objects, mask_fault
from pipeline.output.commit import read_commit, total_counts, unfinished
from pipeline.output.committed import read_table, with_added_columns
from pipeline.output.plan import Plan, read_plan
from pipeline.output.unit import unit_of
from pipeline.storage.place import Place
from schemas.errors import BadStorage
from schemas.record.commit import Commit, Counts, Part, Shard
from schemas.record.row import LABEL_SCHEMA, REJECTED_SCHEMA


def audit(output: Place) -> Iterator[str]:
    """Yield one sentence for every fault; none means that the commit is whole.

    Memory grows by 8 bytes an image: a hash of its id, to find the ones that are there twice.
    """
    commit = read_commit(output)
    if commit is None:
        yield f"{output}: no commit.json, the job is not finished"
        return
    ids: list[np.ndarray] = []
    for part in commit.parts:
        try:
            labels, rejected = _read(output, part)
        except BadStorage as error:
            yield str(error).replace("\n", ";")
            continue
        except pa.ArrowInvalid as error:
            yield f"{part.path}: not readable as Parquet: {error}"
            continue
        yield from _check_part(part, labels, rejected, commit)
        ids.append(_hashes(labels, rejected))
    yield from _check_counts(commit)
    yield from _check_ids(ids)
    yield from _check_plan(commit, read_plan(output)[0])


def _read(output: Place, part: Part) -> tuple[pa.Table, pa.Table]:
    labels = with_added_columns(read_table(output.below(part.path), part.sha256))
    if part.rejected_path is None:
        return labels, REJECTED_SCHEMA.empty_table()
    return labels, read_table(output.below(part.rejected_path), part.rejected_sha256)


def _check_part(part: Part, labels: pa.Table, rejected: pa.Table, commit: Commit) -> Iterator[str]:
    if not labels.schema.equals(LABEL_SCHEMA) or not rejected.schema.equals(REJECTED_SCHEMA):
        yield f"{part.path}: columns of another schema"
        return
    whole = labels.filter(pc.field("instance_id").is_null())
    statuses = Counter(whole["status"].to_pylist())
    counted = {
        "rows": whole.num_rows,
        "instances": labels.num_rows - whole.num_rows,
        "labelled": statuses["labelled"],
        "empty": statuses["empty"],
        "rejected": rejected.num_rows,
        "images": len(set(whole["image_id"].to_pylist())) + rejected.num_rows,
    }
    if part.review is not None:
        counted["review"] = whole["decision"].to_pylist().count("review")
    for name, count in counted.items():
        if count != getattr(part, name):
            yield f"{part.path}: {count} {name}, the commit says {getattr(part, name)}"
    yield from (f"{part.path}: {fault}" for fault in _check_rows(whole, rejected, commit))
    objects = labels.filter(pc.field("instance_id").is_valid())
    yield from (f"{part.path}: {fault}" for fault in check_objects(whole, objects))


def _check_rows(labels: pa.Table, rejected: pa.Table, commit: Commit) -> Iterator[str]:
    """Each image has one row a category, or one rejected row; each mask is what its row says."""
    categories = {category.id for category in commit.categories}
    rows = Counter(
        zip(labels["image_id"].to_pylist(), labels["category_id"].to_pylist(), strict=True)
    )
    for (image_id, category_id), count in rows.items():
        if category_id not in categories:
            yield f"{image_id}: category {category_id} is not one of the job's"
        if count > 1:
            yield f"{image_id}: category {category_id} has {count} rows"
    for image_id in {image_id for image_id, _ in rows}:
        if missing := [number for number in categories if (image_id, number) not in rows]:
            yield f"{image_id}: no row for category {missing}"
    both = {image_id for image_id, _ in rows} & set(rejected["image_id"].to_pylist())
    yield from (f"{image_id}: labelled and rejected" for image_id in sorted(both))
    for row in labels.to_pylist():
        if fault := mask_fault(row["rle_counts"], (row["height"], row["width"]), row):
            yield f"{row['image_id']}: category {row['category_id']}: {fault}"


def _hashes(labels: pa.Table, rejected: pa.Table) -> np.ndarray:
    names = {*labels["image_id"].to_pylist(), *rejected["image_id"].to_pylist()}
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, dtype=np.uint64)


def _check_ids(ids: Sequence[np.ndarray]) -> Iterator[str]:
    hashes = np.sort(np.concatenate(ids)) if ids else np.empty(0, np.uint64)
    twice = int((hashes[1:] == hashes[:-1]).sum())
    if twice:
        yield f"{twice} images are in two parts"


def _check_counts(commit: Commit) -> Iterator[str]:
    totals = total_counts(commit.parts)
    for name in Counts.model_fields:
        total, counted = getattr(totals, name), getattr(commit.counts, name)
        if total != counted and counted is not None:
            yield f"commit.json: its parts have {total} {name}, its counts say {counted}"


def _check_plan(commit: Commit, shards: Sequence[Shard]) -> Iterator[str]:
    """Every planned shard has all its units in the commit, or is reported as vanished."""
    units = [unit for part in commit.parts if (unit := unit_of(part))]
    plan = Plan(tuple(shards), (), commit.vanished)
    for shard, done in unfinished(plan, units):
        yield f"{shard.uri}: planned, but only units {sorted(done)} of it are in the commit"
