"""Planning images that a COCO file lists."""

import json
from pathlib import Path

import pytest

from pipeline.storage.files import open_filesystem, replace
from schemas.errors import BadInput, BadStorage, MissingFile
from schemas.job.source import CocoImages
from schemas.job.storage import Storage
from tests.made.data.planned import image_ids, plan
from tests.made.servers.places import Place


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
