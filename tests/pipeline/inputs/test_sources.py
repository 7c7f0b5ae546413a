"""Planning: what a source names is found, in one order, under names that outlive a move."""

import io
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec import AbstractFileSystem

from pipeline.images.formats import image_suffixes
from pipeline.inputs.outputs import OUTPUT_FOLDERS, OUTPUT_MARKS
from pipeline.inputs.shards import read_units
from pipeline.inputs.sources import cut_list, plan_inputs, plan_shards
from pipeline.output import paths
from pipeline.storage.files import list_files, open_filesystem, replace
from schemas.errors import BadInput, BadStorage, MissingFile
from schemas.job.compute import Limits
from schemas.job.source import CocoImages, ImageFiles, ParquetImages, Source, Uris, WebDataset
from schemas.job.storage import Storage
from schemas.record.commit import Shard
from tests.made.places import Place
from tests.made.s3 import Bucket, create_bucket, serve_denials, storage_at


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "local":
        return Place(str(tmp_path / "in"), Storage())
    bucket: Bucket = request.getfixturevalue("bucket")
    return Place(f"{bucket.uri}/in", bucket.storage)


def images(uris: Uris) -> ImageFiles:
    return ImageFiles(type="images", uris=uris)


def webdataset(shards: Uris) -> WebDataset:
    return WebDataset(type="webdataset", shards=shards)


def plan(source: Source, place: Place, images_per_unit: int = 100) -> list[Shard]:
    return plan_shards(source, place.storage, images_per_unit)


def image_ids(shards: list[Shard]) -> list[str]:
    return [image_id for shard in shards for image_id, _ in shard.images]


def names(shards: list[Shard]) -> list[str]:
    return [shard.name for shard in shards]


def test_a_folder_gives_the_images_below_it_by_their_path(place: Place) -> None:
    place.put(
        dict.fromkeys(["b.jpg", "sub/deep/a.PNG", "a.jpeg", "notes.txt", "labels.json"], b"x")
    )
    shards = plan(images(place.uri), place)
    assert image_ids(shards) == ["a.jpeg", "b.jpg", "sub/deep/a.PNG"]
    assert shards[0].images[2][1] == f"{place.uri}/sub/deep/a.PNG"
    assert shards[0].uri == place.uri
    assert plan(images(f"{place.uri}/"), place) == shards


def test_hidden_files_are_passed_over(place: Place) -> None:
    place.put(dict.fromkeys(["a.jpg", "._a.jpg", ".cache/b.jpg", "c/.d/e.jpg"], b"x"))
    assert image_ids(plan(images(place.uri), place)) == ["a.jpg"]
    assert image_ids(plan(images(f"{place.uri}/**"), place)) == ["a.jpg"]
    assert image_ids(plan(images(f"{place.uri}/.*.jpg"), place)) == ["._a.jpg"]


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ("*.jpg", ["a.jpg", "b.jpg"]),
        ("x/*", ["c.jpg", "d.png"]),
        ("x/?.png", ["d.png"]),
        ("*/*.jpg", ["x/c.jpg", "y/c.jpg"]),
        ("**/*.jpg", ["a.jpg", "b.jpg", "x/c.jpg", "y/c.jpg", "y/z/e.jpg"]),
        ("y/**", ["c.jpg", "z/e.jpg"]),
        ("[ab].jpg", ["a.jpg", "b.jpg"]),
        ("{x,y}/c.jpg", ["x/c.jpg", "y/c.jpg"]),
        ("{x,y}/*.jpg", ["x/c.jpg", "y/c.jpg"]),
        ("a.jpg", ["a.jpg"]),
        ("x", ["c.jpg", "d.png"]),
    ],
)
def test_a_pattern_names_files_below_its_static_part(
    place: Place, pattern: str, ids: list[str]
) -> None:
    files = ["a.jpg", "b.jpg", "x/c.jpg", "x/d.png", "y/c.jpg", "y/z/e.jpg"]
    place.put(dict.fromkeys(files, b"x"))
    assert image_ids(plan(images(f"{place.uri}/{pattern}"), place)) == ids


def test_a_folder_added_to_a_list_changes_no_id(place: Place) -> None:
    place.put(dict.fromkeys(["p/a/1.jpg", "p/a/k/1.jpg", "p/b/1.jpg", "p/c/b/1.jpg"], b"x"))
    a, b, c = (f"{place.uri}/p/{name}" for name in ("a", "b", "c/b"))
    assert image_ids(plan(images(a), place)) == ["1.jpg", "k/1.jpg"]
    assert image_ids(plan(images((a,)), place)) == ["1.jpg", "k/1.jpg"]
    assert image_ids(plan(images((a, b)), place)) == ["1.jpg", "b/1.jpg", "k/1.jpg"]
    wanted = ["1.jpg", "b/1.jpg", "b~2/1.jpg", "k/1.jpg"]
    assert image_ids(plan(images((a, b, f"{c}/*.jpg")), place)) == wanted


def test_a_list_of_files_names_them_below_their_folders(place: Place) -> None:
    place.put(dict.fromkeys(["p/x/1.jpg", "p/x/2.jpg", "p/xy/1.jpg", "p/z.jpg"], b"x"))
    names = ("p/x/1.jpg", "p/xy/1.jpg", "p/x/2.jpg", "p/z.jpg")
    shards = plan(images(tuple(f"{place.uri}/{name}" for name in names)), place)
    assert image_ids(shards) == ["1.jpg", "2.jpg", "p/z.jpg", "xy/1.jpg"]


def test_what_is_passed_over_is_counted_by_suffix(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.images.formats.find_spec", lambda name: None)
    image_suffixes.cache_clear()
    place.put(dict.fromkeys([f"{n}.HEIC" for n in range(9)], b"x"))
    place.put(dict.fromkeys(["a.jpg", "b.nef", "notes.txt", "x.json", "y.json", "raw"], b"xx"))
    place.put({"._a.jpg": b"x"})
    found = plan_inputs(images(place.uri), place.storage, 10)
    place.put({f"only/{n}.heic": b"x" for n in range(9)})
    with pytest.raises(BadStorage, match=r"9 files, none of them usable: 9 \.heic"):
        plan_inputs(images(f"{place.uri}/only"), place.storage, 10)
    image_suffixes.cache_clear()
    assert found.size_bytes == 2
    assert found.describe_passed_over() == [
        "9 .heic passed over: not readable here; install pillow-heif",
        "1 .nef passed over: a kind of image that is not read; convert it first",
        "1 of hidden names passed over",
        "2 .json, 1 without suffix, 1 .txt passed over: no inputs by their suffix",
    ]


def test_an_output_within_the_inputs_is_no_input(place: Place) -> None:
    own = ["job.json", "plan/00000.parquet", "references/a1.jpg", "labels/x.parquet"]
    place.put(dict.fromkeys(["1.jpg", *(f"out/{name}" for name in own), "out/mine.jpg"], b"x"))
    place.put(dict.fromkeys([*own, "other/references/2.jpg", "other/job.json"], b"x"))
    wanted = ["1.jpg", "other/references/2.jpg", "out/mine.jpg"]
    assert image_ids(plan(images(place.uri), place)) == wanted
    assert image_ids(plan(images(f"{place.uri}/**/*.jpg"), place)) == wanted
    with pytest.raises(BadStorage, match="none of them usable"):
        plan(parquet_source(place.uri), place)


def test_what_an_output_keeps_is_named_as_it_names_it() -> None:
    assert (paths.JOB, paths.plan_file(0)) == OUTPUT_MARKS
    every = {value for name, value in vars(paths).items() if name.isupper()}
    assert set(OUTPUT_FOLDERS) == {value for value in every if "." not in value}


def test_a_key_that_looks_like_a_query_is_read_as_it_is(bucket: Bucket) -> None:
    place = Place(f"{bucket.uri}/in", bucket.storage)
    names = ["q?versionId=1.jpg", "q?versionId=2.jpg", "50%25 #1.jpg"]
    place.put({name: name.encode() for name in names})
    (shard,) = plan(images(place.uri), place)
    units = list(read_units(shard, images(place.uri), place.storage, Limits()))
    assert [image.data.decode() for unit in units for image in unit.images] == sorted(names)


def test_a_name_with_brackets_and_braces_is_a_file_first(place: Place) -> None:
    place.put(dict.fromkeys(["photo [1].jpg", "photo 1.jpg", "{a,b}.jpg"], b"x"))
    for name in ("photo [1].jpg", "{a,b}.jpg"):
        assert image_ids(plan(images((f"{place.uri}/{name}",)), place)) == [name]


def test_lists_are_cut_into_shards_of_one_unit(place: Place) -> None:
    place.put({f"{n}.jpg": b"x" for n in range(7)})
    shards = plan(images(place.uri), place, images_per_unit=3)
    assert [len(shard.images) for shard in shards] == [3, 3, 1]
    assert names(shards) == ["0.jpg..2.jpg", "3.jpg..5.jpg", "6.jpg..6.jpg"]
    assert len({shard.id for shard in shards}) == 3
    assert {shard.kind for shard in shards} == {"images"}


def test_a_plan_is_the_same_every_time_and_everywhere(tmp_path: Path, bucket: Bucket) -> None:
    here, there = Place(f"{tmp_path}/a", Storage()), Place(f"{bucket.uri}/b/c", bucket.storage)
    for place in (here, there):
        place.put({f"s/{n}.jpg": b"x" for n in range(5)})
        place.put({f"t/{n:03d}.tar": bytes(n) for n in range(3)})
    for source in (images, webdataset):
        folder = "s" if source is images else "t"
        first, second = (plan(source(f"{p.uri}/{folder}"), p, 2) for p in (here, there))
        assert [(s.id, s.name, s.size_bytes) for s in first] == [
            (s.id, s.name, s.size_bytes) for s in second
        ]
        assert image_ids(first) == image_ids(second)
        assert plan(source(f"{here.uri}/{folder}"), here, 2) == first


def test_an_id_depends_on_kind_name_and_size(tmp_path: Path) -> None:
    place = Place(str(tmp_path), Storage())
    ids: set[str] = set()
    for name, size in (("a.tar", 1), ("a.tar", 2), ("b.tar", 1)):
        (tmp_path / name).write_bytes(bytes(size))
        ids.add(plan(webdataset(f"{tmp_path}/{name}"), place)[0].id)
    assert len(ids) == 3
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in ids)
    pair, joined = (cut_list([(i, "u") for i in part], "", 9) for part in (["a", "b"], ["a\nb"]))
    assert pair[0].id != joined[0].id


def test_brace_ranges_of_shards_keep_their_names(place: Place) -> None:
    place.put({f"train/a-{n:03d}.tar": bytes(n) for n in range(12)} | {"train/a-x/b.tar": b""})
    shards = plan(webdataset(f"{place.uri}/train/a-{{000..010}}.tar"), place)
    assert names(shards) == [f"a-{n:03d}.tar" for n in range(11)]
    assert [shard.size_bytes for shard in shards] == list(range(11))
    assert shards[3].uri == f"{place.uri}/train/a-003.tar"
    assert {shard.kind for shard in shards} == {"tar"}


def test_a_folder_of_shards_is_searched_to_its_depths(place: Place) -> None:
    place.put(dict.fromkeys(["a.tar", "b/c.tar", "b/c.tar.idx", "d.txt"], b"x"))
    assert names(plan(webdataset(place.uri), place)) == ["a.tar", "b/c.tar"]


def test_a_range_is_answered_by_one_listing_of_what_its_names_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(str(tmp_path), Storage())
    place.put({f"{folder}/a-{n:03d}.tar": b"x" for folder in "st" for n in range(20)})
    asked: list[tuple[str, str, bool]] = []

    def recording_list(fs: AbstractFileSystem, folder: str, stem: str, *, deep: bool) -> object:
        asked.append((folder, stem, deep))
        return list_files(fs, folder, stem, deep=deep)

    monkeypatch.setattr("pipeline.inputs.find.list_files", recording_list)
    plan(webdataset(f"{tmp_path}/s/a-{{000..019}}.tar"), place)
    assert asked == [(f"{tmp_path}/s", "a-0", False)]
    asked.clear()
    plan(webdataset(f"{tmp_path}/{{s,t}}/a-{{000..009}}.tar"), place)
    assert asked == [(f"{tmp_path}/{folder}", "a-00", False) for folder in "st"]


def test_missing_shards_of_a_range_are_counted_and_named(place: Place) -> None:
    place.put({f"a-{n}.tar": b"x" for n in (0, 3)})
    with pytest.raises(MissingFile, match=r"2 of 4 without a file: .*a-1\.tar, .*a-2\.tar"):
        plan(webdataset(f"{place.uri}/a-{{0..3}}.tar"), place)


def test_a_listed_file_that_is_not_there_is_named(place: Place) -> None:
    place.put({"a.jpg": b"x"})
    with pytest.raises(MissingFile, match=f"{place.uri}/gone.jpg"):
        plan(images((f"{place.uri}/a.jpg", f"{place.uri}/gone.jpg")), place)


def test_a_glob_that_matches_nothing_is_named(place: Place) -> None:
    place.put({"a.jpg": b"x"})
    for pattern in ("*.png", "nowhere/*.jpg", "{a,b}*.jpg"):
        with pytest.raises(BadStorage, match="without a file"):
            plan(images(f"{place.uri}/{pattern}"), place)


def test_a_folder_without_usable_files_says_what_it_wanted(place: Place) -> None:
    place.put({"notes.txt": b"x"})
    with pytest.raises(BadStorage, match=r"1 files, none of them usable(.|\n)*\.jpg"):
        plan(images(place.uri), place)
    with pytest.raises(BadStorage, match=r"\.tar"):
        plan(webdataset(place.uri), place)


def test_a_folder_that_does_not_exist_is_named(place: Place) -> None:
    place.put({"a.jpg": b"x"})
    with pytest.raises(MissingFile, match="nowhere"):
        plan(images(f"{place.uri}/nowhere"), place)


def test_a_file_named_twice_is_refused(place: Place) -> None:
    place.put({"a.jpg": b"x"})
    with pytest.raises(BadInput, match="named twice"):
        plan(images((f"{place.uri}/a.jpg", f"{place.uri}/*.jpg")), place)


def test_two_shards_that_would_share_image_ids_are_refused(place: Place) -> None:
    place.put({"a.tar": b"x", "a": b"x"})
    with pytest.raises(BadInput, match="two shards of one name"):
        plan(webdataset((f"{place.uri}/a.tar", f"{place.uri}/a")), place)


def test_a_missing_bucket_is_named(s3_endpoint: str) -> None:
    for pattern in ("a", "a/*.jpg", "a-{0..3}.jpg"):
        with pytest.raises(BadStorage, match="no bucket no-such-bucket"):
            plan_shards(images(f"s3://no-such-bucket/{pattern}"), storage_at(s3_endpoint), 10)


def test_a_denied_bucket_is_named() -> None:
    with serve_denials() as endpoint, pytest.raises(BadStorage, match=r"s3://bucket/a"):
        plan_shards(images("s3://bucket/a/*.jpg"), storage_at(endpoint), 10)


def test_one_job_reads_one_storage(place: Place) -> None:
    with pytest.raises(BadInput, match="local paths, s3"):
        plan(images(("s3://bucket/a.jpg", "/b.jpg")), place)


def test_images_of_two_buckets_are_told_apart(bucket: Bucket, s3_endpoint: str) -> None:
    other = create_bucket(s3_endpoint, f"{bucket.name}-b")
    uris = (bucket.put("p/1.jpg", b"x"), other.put("p/1.jpg", b"x"))
    shards = plan_shards(images(uris), bucket.storage, 10)
    assert image_ids(shards) == ["1.jpg", "p/1.jpg"]
    units = read_units(shards[0], images(uris), bucket.storage, Limits())
    assert [image.data for unit in units for image in unit.images] == [b"x", b"x"]


def test_a_local_name_that_is_no_text_is_read_beside_its_neighbours(tmp_path: Path) -> None:
    for name in (b"a\xff.jpg", b"b.jpg", b"c%41.jpg"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    place = Place(str(tmp_path), Storage())
    (shard,) = plan(images(str(tmp_path)), place)
    assert [image_id for image_id, _ in shard.images] == ["a%FF.jpg", "b.jpg", "c%41.jpg"]
    shard = Shard.model_validate_json(shard.model_dump_json())
    units = list(read_units(shard, images(str(tmp_path)), place.storage, Limits()))
    found = [image.data for unit in units for image in unit.images]
    assert found == [b"a\xff.jpg", b"b.jpg", b"c%41.jpg"]


def parquet(schema: dict[str, pa.DataType]) -> bytes:
    buffer = io.BytesIO()
    table = pa.table({name: pa.array([], kind) for name, kind in schema.items()})
    pq.write_table(table, buffer)
    return buffer.getvalue()


def parquet_source(files: Uris, **columns: str) -> ParquetImages:
    return ParquetImages(type="parquet", files=files, **columns)  # pyright: ignore[reportArgumentType]  # two names of columns


@pytest.mark.parametrize(
    "image",
    [pa.binary(), pa.large_binary(), pa.struct({"bytes": pa.binary(), "path": pa.string()})],
)
@pytest.mark.parametrize(
    "id_type", [pa.string(), pa.int64(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_parquet_columns_of_bytes_and_ids_are_accepted(
    tmp_path: Path, image: pa.DataType, id_type: pa.DataType
) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet({"image": image, "id": id_type}))
    shards = plan(parquet_source(str(tmp_path)), Place(str(tmp_path), Storage()))
    assert [(s.kind, s.name) for s in shards] == [("parquet", "a.parquet")]


@pytest.mark.parametrize(
    ("schema", "got"),
    [
        ({"id": pa.string(), "picture": pa.binary()}, "columns id, picture"),
        ({"image": pa.binary()}, "columns image"),
        ({"id": pa.string(), "image": pa.string()}, "string"),
        ({"id": pa.string(), "image": pa.list_(pa.uint8())}, "list"),
        ({"id": pa.float64(), "image": pa.binary()}, "double"),
    ],
)
def test_a_parquet_file_without_the_columns_is_refused_when_planned(
    place: Place, schema: dict[str, pa.DataType], got: str
) -> None:
    place.put({"a.parquet": parquet(schema)})
    with pytest.raises(BadInput, match=got) as raised:
        plan(parquet_source(place.uri), place)
    assert f"{place.uri}/a.parquet" in str(raised.value)


def test_parquet_columns_may_have_other_names(place: Place) -> None:
    place.put({"a.parquet": parquet({"key": pa.string(), "jpg": pa.binary()})})
    source = parquet_source(place.uri, image_column="jpg", id_column="key")
    assert names(plan(source, place)) == ["a.parquet"]


@pytest.mark.parametrize("data", [b"", b"not parquet", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_file_that_is_not_parquet_is_refused_when_planned(place: Place, data: bytes) -> None:
    place.put({"a.parquet": data})
    with pytest.raises(BadInput, match="a file that is not Parquet"):
        plan(parquet_source(place.uri), place)


def coco(place: Place, instances: object) -> CocoImages:
    data = instances if isinstance(instances, bytes) else json.dumps(instances).encode()
    fs, path = open_filesystem(place.uri, place.storage)
    replace(fs, f"{path}/instances.json", data)
    return CocoImages(
        type="coco", images=f"{place.uri}/images", instances=f"{place.uri}/instances.json"
    )


def test_coco_images_keep_coco_ids(place: Place) -> None:
    place.put({"images/val/b.jpg": b"x"})
    listed = [{"id": 20, "file_name": "a.jpg"}, {"id": 3, "file_name": "val/b.jpg", "width": 5}]
    source = coco(
        place, {"info": {"a": [1]}, "images": listed, "annotations": [], "categories": []}
    )
    shards = plan(source, place, images_per_unit=1)
    assert [shard.images for shard in shards] == [
        (("3", f"{place.uri}/images/val/b.jpg"),),
        (("20", f"{place.uri}/images/a.jpg"),),
    ]
    assert {shard.uri for shard in shards} == {f"{place.uri}/images"}


def test_annotations_before_or_after_the_images_do_not_matter(tmp_path: Path) -> None:
    place = Place(str(tmp_path), Storage())
    place.put({"images/a.jpg": b"x"})
    one = '"images": [{"id": 1, "file_name": "a.jpg"}]'
    for text in (
        f'{{"annotations": [{{"id": 1, "note": "}}], \\" {{"}}], {one}}}',
        f'  {{ {one} , "annotations": [ this is never read',
    ):
        assert image_ids(plan(coco(place, text.encode()), place)) == ["1"]


def test_one_image_gone_is_no_reason_to_stop_but_a_wrong_folder_is(place: Place) -> None:
    listed = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}]
    source = coco(place, {"images": listed})
    with pytest.raises(BadStorage, match=r"0 files, no a\.jpg"):
        plan(source, place)
    place.put({"images/b.jpg": b"x"})
    assert image_ids(plan(source, place)) == ["1", "2"]


@pytest.mark.parametrize(
    ("instances", "got"),
    [
        (b"", "no '{'"),
        (b"no json", "no '{'"),
        (b"[1, 2]", "no '{'"),
        (b"\xff\xfe{}", "no '{'"),
        (b'{"images": [', "Expecting value"),
        (b'{"a": ' + b"[" * 100_000, "recursion"),
        ({}, "no"),
        ({"annotations": []}, "no `images` list"),
        ({"images": {"1": "a.jpg"}}, "no `images` list"),
        ({"images": []}, "an empty `images` list"),
        ({"images": ["a.jpg"]}, "'a.jpg'"),
        ({"images": [{"file_name": "a.jpg"}]}, "id None"),
        ({"images": [{"id": "1", "file_name": "a.jpg"}]}, "id '1'"),
        ({"images": [{"id": 1}]}, "file_name None"),
        ({"images": [{"id": 1, "file_name": ""}]}, "file_name ''"),
    ],
)
def test_an_instances_file_that_is_not_coco_says_why(
    tmp_path: Path, instances: object, got: str
) -> None:
    place = Place(str(tmp_path), Storage())
    with pytest.raises(BadInput, match="COCO instances JSON") as raised:
        plan(coco(place, instances), place)
    assert got in str(raised.value)
    assert "instances.json" in str(raised.value)


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "a/../../b.jpg", "s3://x/a.jpg"])
def test_a_coco_file_name_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    place = Place(str(tmp_path), Storage())
    with pytest.raises(BadInput, match="outside the images' folder"):
        plan(coco(place, {"images": [{"id": 1, "file_name": name}]}), place)


def test_a_coco_id_used_twice_is_refused(tmp_path: Path) -> None:
    place = Place(str(tmp_path), Storage())
    listed = [{"id": 7, "file_name": "a.jpg"}, {"id": 7, "file_name": "b.jpg"}]
    with pytest.raises(BadInput, match=r"id 7: a\.jpg and b\.jpg"):
        plan(coco(place, {"images": listed}), place)


def test_a_missing_instances_file_is_named(place: Place) -> None:
    place.put({"images/a.jpg": b"x"})
    source = CocoImages(type="coco", images=f"{place.uri}/images", instances=f"{place.uri}/no.json")
    with pytest.raises(MissingFile, match=r"no\.json"):
        plan(source, place)
