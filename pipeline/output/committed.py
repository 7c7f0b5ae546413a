"""Read a commit back: its identity, its list, and the rows of the parts it lists, checked."""

import hashlib
import io
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from pipeline.storage.files import read_bytes
from schemas.commit import Commit, Identity, Part
from schemas.errors import BadStorage, MissingFile
from schemas.row import ADDED_COLUMNS, LABEL_SCHEMA


def read_committed(fs: AbstractFileSystem, output: str) -> tuple[Commit, Identity]:
    """Return an output's commit and the identity of its job.

    Raises BadStorage: no commit, or files that are none of ours or do not belong together.
    """
    try:
        commit = Commit.model_validate_json(read_bytes(fs, f"{output}/commit.json"))
        identity = Identity.model_validate_json(read_bytes(fs, f"{output}/job.json"))
    except MissingFile as error:
        raise BadStorage(
            "an output without a commit", output, error.got, "the output of a finished job"
        ) from error
    except ValueError as error:
        raise BadStorage("a commit that cannot be read", output, str(error), "a commit") from error
    if commit.fingerprint != identity.fingerprint:
        raise BadStorage(
            "a commit and a job that do not belong together",
            output,
            f"commit {commit.fingerprint}, job {identity.fingerprint}",
            "one fingerprint",
        )
    return commit, identity


def read_labels(fs: AbstractFileSystem, output: str, commit: Commit) -> Iterator[pa.Table]:
    """Yield the rows (LABEL_SCHEMA) of each part in the commit's order, one part in memory.

    One row for each image and category; `read_all_rows` has those of single objects too. Raises
    BadStorage for a part that is missing or not the one that was committed.
    """
    for table in read_all_rows(fs, output, commit):
        yield table.filter(pc.field("instance_id").is_null())


def read_all_rows(fs: AbstractFileSystem, output: str, commit: Commit) -> Iterator[pa.Table]:
    """Yield all rows of each part, as `read_labels`: objects follow the row of their category."""
    for part in commit.parts:
        yield with_added_columns(read_table(fs, f"{output}/{part.path}", part.sha256))


def with_added_columns(table: pa.Table) -> pa.Table:
    """Return label rows with the columns that older parts lack."""
    for name in ADDED_COLUMNS:
        if name not in table.column_names:
            field = LABEL_SCHEMA.field(name)
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    return table


def read_rejected(fs: AbstractFileSystem, output: str, parts: Iterable[Part]) -> Iterator[pa.Table]:
    """Yield the rows (REJECTED_SCHEMA) of each part that has any, in their order.

    Raises BadStorage for a part that is missing or not the one that was committed.
    """
    for part in parts:
        if part.rejected_path is not None:
            yield read_table(fs, f"{output}/{part.rejected_path}", part.rejected_sha256)


def read_table(fs: AbstractFileSystem, path: str, sha256: str | None) -> pa.Table:
    """Return a committed file's rows. Raises BadStorage when its bytes are not those committed."""
    data = read_bytes(fs, path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise BadStorage(
            "a part is not the one that was committed",
            path,
            f"{len(data)} bytes of another hash",
            f"sha256 {sha256}",
        )
    return pq.read_table(io.BytesIO(data))
