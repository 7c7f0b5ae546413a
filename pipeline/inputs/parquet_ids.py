"""Refuse Parquet files that give one id to rows of two files, before anything is labelled."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.inputs.address import open_place
from pipeline.inputs.parquet import check_columns, open_parquet
from pipeline.storage.stored_file import open_file
from schemas.errors import BadInput
from schemas.job.source import ParquetImages
from schemas.job.storage import Storage
from schemas.record.commit import Shard

_THREADS = 16  # footers of some 10 KB: they wait for storage


@dataclass(frozen=True)
class _Ids:
    """A file's smallest and greatest id by its footer; None where the footer does not say."""

    shard: Shard
    bounds: tuple[Any, Any] | None


def check_files(shards: Sequence[Shard], source: ParquetImages, storage: Storage) -> None:
    """Read every file's footer, and the ids of those whose ranges overlap.

    Raises BadInput for a file without the source's columns, and for an id of two files.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        found = list(pool.map(lambda shard: _check_one(shard, source, storage), shards))
        if source.ids_restart:
            return
        unclear = _overlapping(found)
        ids = list(pool.map(lambda shard: _read_ids(shard, source, storage), unclear))
    if twice := _first_of_two_files(ids):
        value, first, second = twice
        raise BadInput(
            "ids that begin again in each Parquet file",
            f"column {source.id_column!r}",
            f"id {value} in {unclear[first].uri} and in {unclear[second].uri}",
            "an id of its own for every row, or `ids_restart: true`, which makes it <file>/<id>",
        )


def _check_one(shard: Shard, source: ParquetImages, storage: Storage) -> _Ids:
    place = open_place(shard.uri, storage)
    with open_file(place.fs, place.path, shard.size_bytes) as file:
        parquet = open_parquet(file, shard.uri)
        check_columns(parquet.schema_arrow, source, shard.uri)
        return _Ids(shard, _bounds(parquet.metadata, source.id_column))


def _bounds(footer: pq.FileMetaData, column: str) -> tuple[Any, Any] | None:
    smallest: list[Any] = []
    greatest: list[Any] = []
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        columns = [group.column(place) for place in range(group.num_columns)]
        statistics = next(one.statistics for one in columns if one.path_in_schema == column)
        if statistics is None or not statistics.has_min_max:
            return None
        smallest.append(statistics.min)
        greatest.append(statistics.max)
    if len({type(value) for value in (*smallest, *greatest)}) != 1:
        return None
    return min(smallest), max(greatest)


def _overlapping(files: Sequence[_Ids]) -> list[Shard]:
    """Return the files that may share an id: all, or those whose ranges overlap."""
    if len(files) < 2:
        return []
    bounds = [one.bounds for one in files if one.bounds is not None]
    kinds = {type(smallest) for smallest, _ in bounds}
    if len(bounds) < len(files) or len(kinds) > 1:
        return [one.shard for one in files]
    ordered = sorted(zip(bounds, (one.shard for one in files), strict=True), key=lambda one: one[0])
    unclear: dict[str, Shard] = {}
    reaching: list[tuple[Any, Shard]] = []  # ends of the ranges that began before
    for (smallest, greatest), shard in ordered:
        reaching = [(end, before) for end, before in reaching if end >= smallest]
        if reaching:
            unclear |= {one.id: one for one in (shard, *(before for _, before in reaching))}
        reaching.append((greatest, shard))
    return list(unclear.values())


def _read_ids(shard: Shard, source: ParquetImages, storage: Storage) -> pa.Array:
    place = open_place(shard.uri, storage)
    with open_file(place.fs, place.path, shard.size_bytes) as file:
        column = open_parquet(file, shard.uri).read([source.id_column], use_threads=False).column(0)
    return pc.cast(column, pa.string()).unique().drop_null()


def _first_of_two_files(ids: Sequence[pa.Array]) -> tuple[str, int, int] | None:
    """Return an id that two files have, and the numbers of both."""
    if not ids:
        return None
    files = [pa.array([number] * len(one), pa.int32()) for number, one in enumerate(ids)]
    table = pa.table({"id": pa.concat_arrays(list(ids)), "file": pa.concat_arrays(files)})
    counted = table.group_by("id").aggregate([("file", "count"), ("file", "min"), ("file", "max")])
    twice = counted.filter(pc.field("file_count") > 1).sort_by("id")
    if not len(twice):
        return None
    row = twice.slice(0, 1).to_pylist()[0]
    return row["id"], row["file_min"], row["file_max"]
