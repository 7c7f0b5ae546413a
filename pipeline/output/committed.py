"""Read a commit back: its identity, its list, and the rows of the parts it lists, checked."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.output.paths import COMMIT, JOB
from pipeline.storage.place import Place
from pipeline.storage.tables import from_parquet
from schemas.errors import BadStorage, MissingFile
from schemas.faults import faults_of
from schemas.record.commit import Commit, Identity, Part
from schemas.record.row import ADDED_COLUMNS, LABEL_SCHEMA


def read_committed(output: Place) -> tuple[Commit, Identity]:
    """Return an output's commit and the identity of its job.

    Raises BadStorage: no commit, or files that are none of ours or do not belong together.
    """
    try:
        commit = Commit.model_validate_json(output.below(COMMIT).read())
        identity = Identity.model_validate_json(output.below(JOB).read())
    except MissingFile as error:
        raise BadStorage(
            "an output without a commit", output.uri, error.got, "the output of a finished job"
        ) from error
    except ValueError as error:
        raise BadStorage(
            "a commit that cannot be read", output.uri, faults_of(error), "a commit"
        ) from error
    if commit.fingerprint != identity.fingerprint:
        raise BadStorage(
            "a commit and a job that do not belong together",
            output.uri,
            f"commit {commit.fingerprint}, job {identity.fingerprint}",
            "one fingerprint",
        )
    return commit, identity


def read_labels(output: Place, commit: Commit) -> Iterator[pa.Table]:
    """Yield the rows (LABEL_SCHEMA) of each part in the commit's order, one part in memory.

    One row for each image and category; `read_all_rows` has those of single objects too. Raises
    BadStorage for a part that is missing or not the one that was committed.
    """
    for table in read_all_rows(output, commit):
        yield table.filter(pc.field("instance_id").is_null())


def read_all_rows(output: Place, commit: Commit) -> Iterator[pa.Table]:
    """Yield all rows of each part, as `read_labels`: objects follow the row of their category."""
    for part in commit.parts:
        yield with_added_columns(read_table(output.below(part.path), part.sha256))


def with_added_columns(table: pa.Table) -> pa.Table:
    """Return label rows with the columns that older parts lack, or other jobs', in their order."""
    for name in ADDED_COLUMNS:
        if name not in table.column_names:
            field = LABEL_SCHEMA.field(name)
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    known = [name for name in LABEL_SCHEMA.names if name in table.column_names]
    return table.select([*known, *(name for name in table.column_names if name not in known)])


def read_rejected(output: Place, parts: Iterable[Part]) -> Iterator[pa.Table]:
    """Yield the rows (REJECTED_SCHEMA) of each part that has any, in their order.

    Raises BadStorage for a part that is missing or not the one that was committed.
    """
    for part in parts:
        if part.rejected_path is not None:
            yield read_table(output.below(part.rejected_path), part.rejected_sha256)


def first_rejected(output: Place, commit: Commit, most: int) -> list[dict[str, Any]]:
    """Return the first rejected rows of a commit, `most` at most. Raises BadStorage."""
    found: list[dict[str, Any]] = []
    for table in read_rejected(output, commit.parts):
        found += table.slice(0, most - len(found)).to_pylist()
        if len(found) == most:
            break
    return found


def read_table(place: Place, sha256: str | None) -> pa.Table:
    """Return a committed file's rows. Raises BadStorage when its bytes are not those committed."""
    data = place.read()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BadStorage(
            "a part is not the one that was committed",
            place.uri,
            f"{len(data)} bytes of another hash",
            f"sha256 {sha256}",
        )
    return from_parquet(data)
