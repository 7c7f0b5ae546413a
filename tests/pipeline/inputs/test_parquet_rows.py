"""Reading Parquet files: rows become units, and a damaged group costs its own rows."""

import io
import struct

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec import AbstractFileSystem

from pipeline.inputs.shards import Unit
from pipeline.inputs.sources import plan_shards
from pipeline.storage.files import open_filesystem, read_bytes
from pipeline.storage.stored_file import Version
from schemas.errors import BadInput, BadStorage
from schemas.job.compute import Limits
from schemas.job.source import ParquetImages, Source
from schemas.record.commit import Shard
from tests.made.data.units_read import PER_UNIT, lines, read
from tests.made.servers.places import Place
from tests.made.servers.s3 import Bucket

PARQUET = ParquetImages(type="parquet", files="/set/by/each/test")


def parquet_of(place: Place, table: pa.Table, row_group_size: int = 100) -> tuple[Shard, Source]:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, row_group_size=row_group_size)
    place.put({"p.parquet": buffer.getvalue()})
    source = PARQUET.model_copy(update={"files": place.uri})
    return plan_shards(source, place.storage, PER_UNIT)[0], source


def rows(ids: list[object], images: list[bytes | None], image_type: pa.DataType) -> pa.Table:
    return pa.table({"id": ids, "image": pa.array(images, image_type), "other": ids})


@pytest.mark.parametrize("group", [1, 2, 4, 100])
@pytest.mark.parametrize("done", [set(), {0}, {1}, {0, 2}])
def test_parquet_rows_become_units_whatever_the_row_groups(
    place: Place, group: int, done: set[int]
) -> None:
    table = rows(list(range(7)), [bytes([n]) for n in range(7)], pa.binary())
    shard, source = parquet_of(place, table, row_group_size=group)
    units = read(shard, source, place, done=done)
    expected = [n for n in range(3) if n not in done]
    assert [(u.number, u.last) for u in units] == [(n, n == 2) for n in expected]
    assert lines(units) == [(str(n), bytes([n])) for n in range(7) if n // PER_UNIT in expected]
    assert units[-1].images[-1].uri == f"{place.uri}/p.parquet#{5 if 2 in done else 6}"


def test_rows_without_image_or_id_or_with_a_used_id_are_faults(folder: Place) -> None:
    table = rows(["a", "b", None, "a", "c"], [b"A", None, b"C", b"D", b"large"], pa.large_binary())
    shard, source = parquet_of(folder, table)
    expected = [
        ("a", b"A"),
        ("b", "no-image"),
        ("p.parquet#2", "no-id"),
        ("a#2", "duplicate-id"),
        ("c", "too-large"),
    ]
    limits = Limits(max_bytes=4)
    assert lines(read(shard, source, folder, limits)) == expected
    # What a row is does not depend on which units are done already.
    assert lines(read(shard, source, folder, limits, done={0})) == expected[3:]


def test_a_used_id_is_one_even_where_the_first_row_has_no_image(folder: Place) -> None:
    shard, source = parquet_of(folder, rows(["a"] * 4, [None, b"1", b"2", b"3"], pa.binary()))
    whole = lines(read(shard, source, folder))
    assert whole == [("a", "no-image"), *((f"a#{n}", "duplicate-id") for n in (2, 3, 4))]
    assert lines(read(shard, source, folder, done={0})) == whole[3:]


def test_images_may_lie_in_a_struct_with_their_paths(folder: Place) -> None:
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    values = [{"bytes": b"A", "path": "a"}, None, {"bytes": None, "path": "c"}]
    table = pa.table({"id": [1, 2, 3], "image": pa.array(values, kind)})
    shard, source = parquet_of(folder, table)
    assert lines(read(shard, source, folder)) == [("1", b"A"), ("2", "no-image"), ("3", "no-image")]
    fault = read(shard, source, folder)[0].images[2].fault
    assert fault is not None
    assert "but a path, 'c'" in fault.message


def test_a_parquet_file_without_rows_is_one_empty_unit(folder: Place) -> None:
    shard, source = parquet_of(
        folder,
        rows([], [], pa.binary()).cast(
            pa.schema({"id": pa.string(), "image": pa.binary(), "other": pa.string()})
        ),
    )
    assert read(shard, source, folder) == [Unit(shard.id, 0, True, ())]


def test_a_damaged_row_group_costs_its_own_rows(place: Place) -> None:
    table = rows(list(range(6)), [b"image %d" % n for n in range(6)], pa.binary())
    shard, source = parquet_of(place, table, row_group_size=2)
    fs, path = open_filesystem(shard.uri, place.storage)
    data = bytearray(read_bytes(fs, path))
    column = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(1).column(1)
    start = column.dictionary_page_offset or column.data_page_offset
    data[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    place.put({"p.parquet": bytes(data)})
    found = lines(read(shard, source, place))
    assert found[2:4] == [("2", "decode"), ("3", "decode")]
    assert found[:2] + found[4:] == [(str(n), b"image %d" % n) for n in (0, 1, 4, 5)]


def test_a_parquet_file_without_a_footer_is_one_fault(place: Place) -> None:
    shard, source = parquet_of(place, rows([1], [b"A"], pa.binary()))
    place.put({"p.parquet": bytes(shard.size_bytes)})
    assert lines(read(shard, source, place)) == [("p.parquet#0", "truncated-shard")]


def test_a_footer_that_promises_gigabytes_is_one_fault(folder: Place) -> None:
    shard, source = parquet_of(folder, rows([1], [b"A"], pa.binary()))
    lie = struct.pack("<I", 2**31 - 1) + b"PAR1"
    folder.put({"p.parquet": bytes(shard.size_bytes - 8) + lie})
    assert lines(read(shard, source, folder)) == [("p.parquet#0", "truncated-shard")]


def two_files(place: Place, second: pa.Table) -> ParquetImages:
    buffer = io.BytesIO()
    pq.write_table(second, buffer)
    place.put({"z.parquet": buffer.getvalue()})
    buffer = io.BytesIO()
    pq.write_table(rows([0, 1], [b"A", b"B"], pa.binary()), buffer)
    place.put({"p.parquet": buffer.getvalue()})
    return PARQUET.model_copy(update={"files": place.uri})


def test_a_later_parquet_file_without_the_columns_is_found_by_the_plan(place: Place) -> None:
    source = two_files(place, pa.table({"id": [1]}))
    with pytest.raises(BadInput, match=r"z\.parquet"):
        plan_shards(source, place.storage, PER_UNIT)


def test_a_column_that_is_there_twice_is_a_message(folder: Place) -> None:
    column = pa.array([b"A"], pa.binary())
    twice = pa.Table.from_arrays([pa.array([1]), column, column], names=["id", "image", "image"])
    with pytest.raises(BadInput, match="two columns of one name"):
        plan_shards(two_files(folder, twice), folder.storage, PER_UNIT)


@pytest.mark.parametrize("ids", [[1, 5], ["1", "5"], [9, 1]])
def test_ids_that_begin_again_in_each_file_are_refused_by_the_plan(
    place: Place, ids: list[object]
) -> None:
    source = two_files(place, rows(ids, [b"C", b"D"], pa.binary()))
    with pytest.raises(BadInput, match="id 1 in") as raised:
        plan_shards(source, place.storage, PER_UNIT)
    assert "ids_restart" in str(raised.value)
    restarted = source.model_copy(update={"ids_restart": True})
    shards = plan_shards(restarted, place.storage, PER_UNIT)
    found = [line for shard in shards for line in lines(read(shard, restarted, place))]
    assert [image_id for image_id, _ in found] == ["p/0", "p/1", *(f"z/{one}" for one in ids)]


@pytest.mark.parametrize("ids", [[2, 3], ["a", "b"], [-1, 7], [None, 3]])
def test_ids_of_their_own_in_each_file_are_accepted(folder: Place, ids: list[object]) -> None:
    source = two_files(folder, rows(ids, [b"C", b"D"], pa.binary()))
    assert len(plan_shards(source, folder.storage, PER_UNIT)) == 2


def test_a_file_in_the_folder_of_anothers_name_is_refused_where_both_hold_an_id(
    folder: Place,
) -> None:
    source = PARQUET.model_copy(update={"files": folder.uri, "ids_restart": True})
    for name, image_id in (("p", "q/cat"), ("p/q", "cat")):
        buffer = io.BytesIO()
        pq.write_table(rows([image_id], [b"A"], pa.binary()), buffer)
        folder.put({f"{name}.parquet": buffer.getvalue()})
    with pytest.raises(BadInput, match=r"q\.parquet(.|\n)*p/q/cat, which .*p\.parquet"):
        plan_shards(source, folder.storage, PER_UNIT)


def test_storage_that_fails_within_a_parquet_file_is_no_damage(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(f"{bucket.uri}/in", bucket.storage)
    shard, source = parquet_of(place, rows([1], [b"A"], pa.binary()))

    def cut_short(fs: AbstractFileSystem, path: str, start: int, end: int, _: Version) -> bytes:
        return read_bytes(fs, path, start, end)[:-1]

    def denied(fs: AbstractFileSystem, path: str, start: int, end: int, _: Version) -> bytes:
        raise BadStorage("storage that may not be read", path, "AccessDenied", "permission")

    for failure, error in ((cut_short, OSError), (denied, BadStorage)):
        monkeypatch.setattr("pipeline.storage.stored_file.read_version", failure)
        with pytest.raises(error):
            read(shard, source, place)
