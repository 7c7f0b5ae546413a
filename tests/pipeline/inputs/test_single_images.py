"""Reading single image files: in the plan's order, each its own affair."""

import errno
from pathlib import Path

import pytest
from fsspec.implementations.local import LocalFileSystem

from pipeline.inputs.shards import read_units
from pipeline.inputs.sources import plan_shards
from pipeline.storage.files import open_filesystem
from schemas.errors import BadStorage
from schemas.job.compute import Limits
from schemas.job.source import ImageFiles, Source
from schemas.job.storage import Storage
from schemas.record.commit import Shard
from tests.made.data.units_read import LIMITS, PER_UNIT, lines, read
from tests.made.servers.places import Place
from tests.made.servers.s3 import Bucket


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


def test_an_image_in_an_archive_is_its_own_affair(bucket: Bucket) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        bucket.put(name, name.encode())
    bucket.archive("b.jpg")
    place = Place(bucket.uri, bucket.storage)
    shards, source = listed(place, ["a.jpg", "b.jpg", "c.jpg"])
    (unit,) = read(shards[0], source, place)
    assert lines([unit]) == [("a.jpg", b"a.jpg"), ("b.jpg", "unreadable"), ("c.jpg", b"c.jpg")]
    assert "archived" in str(unit.images[1].fault)


def test_an_image_whose_permissions_allow_nobody_to_read_it_is_its_own_affair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(str(tmp_path), Storage())
    place.put({"a.jpg": b"A", "b.jpg": b"B"})
    shards, source = listed(place, ["a.jpg", "b.jpg"])
    read_file = LocalFileSystem.cat_file

    def as_nobody(fs: LocalFileSystem, path: str, **span: int | None) -> str | bytes:
        if path.endswith("b.jpg"):  # mode 000 keeps out all but root, whom tests may run as
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return read_file(fs, path, **span)

    monkeypatch.setattr(LocalFileSystem, "cat_file", as_nobody)
    units = read(shards[0], source, place)
    assert lines(units) == [("a.jpg", b"A"), ("b.jpg", "unreadable")]
    assert "Permission denied" in str(units[0].images[1].fault)


def test_credentials_that_may_read_nothing_are_no_fault_of_the_images(bucket: Bucket) -> None:
    bucket.put("a.jpg", b"A")
    place = Place(bucket.uri, bucket.storage)
    shards, source = listed(place, ["a.jpg"])
    bucket.deny("s3:GetObject")
    with pytest.raises(BadStorage, match=r"AccessDenied|403"):
        read(shards[0], source, place)


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
