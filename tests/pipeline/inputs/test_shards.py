"""Reading shards: units are the same on every run, and every image is in one of them."""

import gzip
import io
import struct
import weakref
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec import AbstractFileSystem

from pipeline.inputs.shards import EncodedImage, Unit, read_units
from pipeline.inputs.sources import plan_shards
from pipeline.storage.files import open_filesystem, read_bytes
from schemas.errors import BadInput, BadStorage
from schemas.job.compute import Limits
from schemas.job.source import ImageFiles, ParquetImages, Source, WebDataset
from schemas.job.storage import Storage
from schemas.record.commit import Shard
from tests.made.places import Place
from tests.made.s3 import Bucket
from tests.made.tars import make_tar, special

LIMITS = Limits()
PER_UNIT = 3


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "local":
        return Place(str(tmp_path / "in"), Storage())
    bucket: Bucket = request.getfixturevalue("bucket")
    return Place(f"{bucket.uri}/in", bucket.storage)


@pytest.fixture
def folder(tmp_path: Path) -> Place:
    return Place(str(tmp_path), Storage())


def tar_of(place: Place, data: bytes) -> tuple[Shard, Source]:
    place.put({"s/x.tar": data})
    source = WebDataset(type="webdataset", shards=place.uri)
    return plan_shards(source, place.storage, PER_UNIT)[0], source


def read(
    shard: Shard,
    source: Source,
    place: Place,
    limits: Limits = LIMITS,
    done: set[int] | None = None,
) -> list[Unit]:
    return list(read_units(shard, source, place.storage, limits, frozenset(done or ())))


def line(image: EncodedImage) -> tuple[str, bytes | str]:
    return image.image_id, image.fault.reason if image.fault else image.data


def lines(units: list[Unit]) -> list[tuple[str, bytes | str]]:
    return [line(image) for unit in units for image in unit.images]


def seven(place: Place) -> tuple[Shard, Source]:
    return tar_of(place, make_tar([(f"{n}.jpg", bytes([n])) for n in range(7)]))


def test_a_tar_becomes_numbered_units_and_only_the_end_is_last(place: Place) -> None:
    shard, source = seven(place)
    units = read(shard, source, place)
    assert [(u.number, u.last, len(u.images)) for u in units] == [
        (0, False, 3),
        (1, False, 3),
        (2, True, 1),
    ]
    assert {unit.shard_id for unit in units} == {shard.id}
    assert lines(units) == [(f"s/x/{n}", bytes([n])) for n in range(7)]
    assert units[1].images[0].uri == f"{place.uri}/s/x.tar#3.jpg"


@pytest.mark.parametrize("done", [{0}, {1}, {2}, {0, 2}, {0, 1, 2}, {9}])
def test_units_done_are_left_out_and_the_others_stay_the_same(place: Place, done: set[int]) -> None:
    shard, source = seven(place)
    whole = read(shard, source, place)
    assert read(shard, source, place, done=done) == [u for u in whole if u.number not in done]


def test_the_last_unit_may_be_full(folder: Place) -> None:
    shard, source = tar_of(folder, make_tar([(f"{n}.jpg", b"x") for n in range(6)]))
    assert [(u.number, u.last) for u in read(shard, source, folder)] == [(0, False), (1, True)]


def test_a_shard_without_images_is_one_empty_unit(folder: Place) -> None:
    shard, source = tar_of(folder, make_tar([]))
    assert read(shard, source, folder) == [Unit(shard.id, 0, True, ())]


def test_units_are_let_go_when_the_next_one_is_read(folder: Place) -> None:
    members = [(f"{n}.jpg", b"x") for n in range(PER_UNIT * 6)]
    shard, source = tar_of(folder, make_tar(members))
    seen: list[weakref.ref[EncodedImage]] = []
    for unit in read_units(shard, source, folder.storage, LIMITS):
        seen += [weakref.ref(image) for image in unit.images]
        # This unit's, and the first image of the next, which told that this one is not the last.
        assert sum(image() is not None for image in seen) <= 2 * PER_UNIT


def test_faults_are_entries_of_their_own_and_no_neighbour_is_lost(place: Place) -> None:
    data = make_tar(
        [
            ("a.jpg", b"A"),
            ("a.png", b"second"),
            ("b.json", b"{}"),
            ("../c.jpg", b"C"),
            special("d.jpg", b"2", "/etc/passwd"),
            ("e.jpg", bytes(5000)),
            ("f.jpg", b"F"),
        ]
    )
    shard, source = tar_of(place, data)
    assert lines(read(shard, source, place, Limits(max_bytes=4999))) == [
        ("s/x/a", b"A"),
        ("s/x/a#2", "duplicate-id"),
        ("s/x/@3072", "unsafe-name"),
        ("s/x/@4096", "unsafe-name"),
        ("s/x/e", "too-large"),
        ("s/x/f", b"F"),
        ("s/x/b", "no-image"),
    ]


def test_an_image_behind_a_fault_of_its_id_is_kept_under_the_next_name(folder: Place) -> None:
    members = [("a.jpg", bytes(11)), ("a.png", b"A"), ("b.jpg", b"B")]
    shard, source = tar_of(folder, make_tar(members))
    assert lines(read(shard, source, folder, Limits(max_bytes=10))) == [
        ("s/x/a", "too-large"),
        ("s/x/a#2", b"A"),
        ("s/x/b", b"B"),
    ]


def test_a_tar_planned_by_another_rule_of_ids_is_refused_with_what_to_do(folder: Place) -> None:
    shard, source = seven(folder)
    assert shard.reading == 2
    older = shard.model_copy(update={"reading": 1})
    with pytest.raises(BadInput, match="a new output"):
        read(older, source, folder)


def test_a_compressed_tar_gives_the_same_units_as_a_plain_one(place: Place) -> None:
    members = [(f"{n}.jpg", bytes([n])) for n in range(7)]
    place.put({"s/x.tar.gz": gzip.compress(make_tar(members)), "s/y.tgz": gzip.compress(b"")})
    source = WebDataset(type="webdataset", shards=place.uri)
    first, second = plan_shards(source, place.storage, PER_UNIT)
    expected = [(f"s/x/{n}", bytes([n])) for n in range(7)]
    assert lines(read(first, source, place)) == expected
    assert lines(read(first, source, place, done={0, 1})) == expected[6:]
    assert lines(read(second, source, place)) == [("s/y/@0", "truncated-shard")]


def test_ids_stay_unique_among_names_that_look_like_copies(folder: Place) -> None:
    members = [
        ("a.jpg", b"1"),
        ("a#2.jpg", b"2"),
        ("a.png", b"3"),
        ("b.jpg", b"4"),
        ("a.gif", b"5"),
    ]
    shard, source = tar_of(folder, make_tar(members))
    assert lines(read(shard, source, folder)) == [
        ("s/x/a", b"1"),
        ("s/x/a#2", b"2"),
        ("s/x/a#3", "duplicate-id"),
        ("s/x/b", b"4"),
        ("s/x/a#4", "duplicate-id"),
    ]


def test_a_truncated_tar_keeps_what_came_before_and_names_the_place(place: Place) -> None:
    data = make_tar([("a.jpg", b"A" * 600), ("b.jpg", b"B" * 600)])
    shard, source = tar_of(place, data[: 4 * 512 + 7])
    units = read(shard, source, place)
    assert lines(units) == [("s/x/a", b"A" * 600), ("s/x/b", "truncated-shard")]
    fault = units[0].images[1].fault
    assert fault is not None
    assert "byte 1536" in fault.message
    assert units[-1].last


@pytest.mark.parametrize("data", [b"", b"not a tar" * 200], ids=["empty", "text"])
def test_a_shard_that_is_no_tar_is_one_fault(place: Place, data: bytes) -> None:
    shard, source = tar_of(place, data)
    assert lines(read(shard, source, place)) == [("s/x/@0", "truncated-shard")]


def test_a_shard_that_changed_since_it_was_planned_is_no_truncated_shard(place: Place) -> None:
    shard, source = seven(place)
    place.put({"s/x.tar": b"shorter"})
    with pytest.raises(BadStorage, match="changed after it was planned"):
        read(shard, source, place)


def test_a_short_answer_of_the_storage_is_an_error_and_no_truncated_shard(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(f"{bucket.uri}/in", bucket.storage)
    shard, source = seven(place)

    def cut_short(fs: AbstractFileSystem, path: str, start: int, end: int) -> bytes:
        return read_bytes(fs, path, start, end)[:-100]

    monkeypatch.setattr("pipeline.storage.stored_file.read_bytes", cut_short)
    with pytest.raises(OSError, match="wanted"):
        read(shard, source, place)


def test_a_tar_larger_than_the_read_ahead_is_read_whole(bucket: Bucket) -> None:
    # 20 MiB: three blocks of 8 MiB, with members across their borders.
    members = [(f"{n:02d}.jpg", bytes([n]) * (3 * 2**20 + n)) for n in range(7)]
    place = Place(f"{bucket.uri}/in", bucket.storage)
    shard, source = tar_of(place, make_tar(members))
    units = read(shard, source, place)
    assert [image.data for unit in units for image in unit.images] == [data for _, data in members]
    assert read(shard, source, place, done={0, 1})[0] == units[2]


def listed(place: Place, names: list[str]) -> tuple[list[Shard], Source]:
    source = ImageFiles(type="images", uris=tuple(f"{place.uri}/{name}" for name in names))
    return plan_shards(source, place.storage, PER_UNIT), source


def test_single_images_are_read_in_the_order_of_the_plan(place: Place) -> None:
    names = [f"{n}.jpg" for n in range(7)]
    place.put({name: name.encode() for name in names})
    shards, source = listed(place, names)
    units = [unit for shard in shards for unit in read(shard, source, place)]
    assert [(unit.number, unit.last) for unit in units] == [(0, True)] * 3
    assert lines(units) == [(name, name.encode()) for name in names]
    assert units[0].images[1].uri == f"{place.uri}/1.jpg"
    assert read(shards[0], source, place, done={0}) == []


def test_an_image_that_is_gone_or_empty_or_too_large_is_its_own_affair(place: Place) -> None:
    place.put({"a.jpg": b"A", "b.jpg": bytes(100), "c.jpg": bytes(101), "d.jpg": b""})
    shards, source = listed(place, ["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    fs, path = open_filesystem(f"{place.uri}/a.jpg", place.storage)
    fs.rm_file(path)
    units = [unit for shard in shards for unit in read(shard, source, place, Limits(max_bytes=100))]
    assert lines(units) == [
        ("a.jpg", "missing"),
        ("b.jpg", bytes(100)),
        ("c.jpg", "too-large"),
        ("d.jpg", b""),
    ]


def test_an_image_larger_than_the_first_read_is_fetched_in_two(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.inputs.shards._FIRST_BYTES", 10)
    contents = {f"{size}.jpg": bytes(range(size)) for size in (9, 10, 11, 25)}
    place.put(contents)
    shards, source = listed(place, list(contents))
    units = [u for s in shards for u in read(s, source, place, Limits(max_bytes=24))]
    assert dict(lines(units)) == {
        **{name: data for name, data in contents.items() if len(data) < 25},
        "25.jpg": "too-large",
    }


def test_a_bucket_that_vanishes_is_no_missing_image(bucket: Bucket) -> None:
    source = ImageFiles(type="images", uris="s3://no-such-bucket/a.jpg")
    shard = Shard(
        id="0" * 16,
        kind="images",
        name="a",
        uri="s3://no-such-bucket",
        size_bytes=0,
        images=(("a.jpg", "s3://no-such-bucket/a.jpg"),),
        images_per_unit=1,
    )
    with pytest.raises(BadStorage, match="no bucket"):
        list(read_units(shard, source, bucket.storage, LIMITS))


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


def test_storage_that_fails_within_a_parquet_file_is_no_damage(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(f"{bucket.uri}/in", bucket.storage)
    shard, source = parquet_of(place, rows([1], [b"A"], pa.binary()))

    def cut_short(fs: AbstractFileSystem, path: str, start: int, end: int) -> bytes:
        return read_bytes(fs, path, start, end)[:-1]

    def denied(fs: AbstractFileSystem, path: str, start: int, end: int) -> bytes:
        raise BadStorage("storage that may not be read", path, "AccessDenied", "permission")

    for failure, error in ((cut_short, OSError), (denied, BadStorage)):
        monkeypatch.setattr("pipeline.storage.stored_file.read_bytes", failure)
        with pytest.raises(error):
            read(shard, source, place)
