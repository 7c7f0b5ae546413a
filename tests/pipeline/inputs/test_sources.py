"""Planning: what a source names is found, in one order, under names that outlive a move."""

import os
from pathlib import Path

import pytest

from pipeline.images.formats import image_suffixes
from pipeline.inputs.outputs import OUTPUT_FOLDERS, OUTPUT_MARKS
from pipeline.inputs.shards import read_units
from pipeline.inputs.sources import cut_list, plan_inputs, plan_shards
from pipeline.output import paths
from schemas.errors import BadInput, BadStorage, MissingFile
from schemas.job.compute import Limits
from schemas.job.storage import Storage
from schemas.record.commit import Shard
from tests.made.data.planned import image_ids, images, names, parquet_source, plan, webdataset
from tests.made.servers.places import Place
from tests.made.servers.s3 import Bucket, create_bucket, serve_denials, storage_at


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


def test_two_files_that_no_row_could_tell_apart_are_refused(tmp_path: Path) -> None:
    for name in (b"a\xff.jpg", b"a%FF.jpg"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"A")
    with pytest.raises(BadInput, match="written alike"):
        plan(images(str(tmp_path)), Place(str(tmp_path), Storage()))
