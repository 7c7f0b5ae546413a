"""Reading shards: units are the same on every run, and every image is in one of them."""

import gzip
import weakref

import pytest
from fsspec import AbstractFileSystem

from pipeline.inputs.shards import EncodedImage, Unit, read_units
from pipeline.inputs.sources import plan_shards
from pipeline.storage.files import read_bytes
from pipeline.storage.stored_file import Version
from schemas.errors import BadInput, BadStorage
from schemas.job.compute import Limits
from schemas.job.source import Source, WebDataset
from schemas.record.commit import Shard
from tests.made.data.units_read import LIMITS, PER_UNIT, lines, read
from tests.made.pixels.tars import make_tar, special
from tests.made.servers.places import Place
from tests.made.servers.s3 import Bucket


def tar_of(place: Place, data: bytes) -> tuple[Shard, Source]:
    place.put({"s/x.tar": data})
    source = WebDataset(type="webdataset", shards=place.uri)
    return plan_shards(source, place.storage, PER_UNIT)[0], source


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
    assert shard.reading == 3
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

    def cut_short(fs: AbstractFileSystem, path: str, start: int, end: int, _: Version) -> bytes:
        return read_bytes(fs, path, start, end)[:-100]

    monkeypatch.setattr("pipeline.storage.stored_file.read_version", cut_short)
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


def test_a_shard_in_the_folder_of_anothers_name_is_refused_where_both_hold_an_id(
    place: Place,
) -> None:
    def tar_with(*members: str) -> bytes:
        return make_tar([(name, b"x") for name in members])

    source = WebDataset(type="webdataset", shards=f"{place.uri}/t")
    place.put({"t/images.tar": tar_with("001/cat.jpg"), "t/images/001.tar": tar_with("cat.jpg")})
    with pytest.raises(BadInput, match=r"one image id(.|\n)*images/001/cat, which .*images.tar"):
        plan_shards(source, place.storage, PER_UNIT)
    place.put({"t/images.tar": tar_with("001/dog.jpg", "cat.jpg", "001.tar")})
    shards = plan_shards(source, place.storage, PER_UNIT)
    assert [shard.name for shard in shards] == ["images.tar", "images/001.tar"]
