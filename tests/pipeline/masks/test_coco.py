"""Instances files as tools write them: what can be used is used, what cannot is named."""

import json
import re
import time
from typing import Any

import pytest
from pycocotools import mask as coco_mask

from pipeline.inputs.coco_images import read_coco_images
from pipeline.masks.coco import drawn_runs, read_instances, short_polygons
from schemas.errors import BadInput

SQUARE = [[10, 10, 20, 10, 20, 20, 10, 20]]
NAN, INF = float("nan"), float("inf")


def document(*annotations: dict[str, Any], **lists: Any) -> dict[str, Any]:
    """Two images of 40 x 60, a cat 1 and a dog 2, and the annotations, numbered from 1."""
    return {
        "images": [
            {"id": number, "file_name": f"{number}.jpg", "height": 40, "width": 60}
            for number in (7, 8)
        ],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": number, "image_id": 7, "category_id": 1, "segmentation": SQUARE} | annotation
            for number, annotation in enumerate(annotations, 1)
        ],
    } | lists


def read(written: object) -> tuple[list[Any], list[str]]:
    """Return the ids of the annotations that are used, and what is said of the others."""
    instances = read_instances(json.dumps(written).encode(), "c.json")
    used = [entry["id"] for entry in instances.document["annotations"]]
    return used, [str(entry) for entry in instances.passed_over]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_read_past(encoding: str) -> None:
    data = json.dumps(document({})).encode(encoding)
    assert [entry["id"] for entry in read_instances(data, "c.json").document["images"]] == [7, 8]
    assert read_coco_images(data, "c.json") == [(7, "7.jpg"), (8, "8.jpg")]


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"category_id": "1"}, 'category_id "1" (text) is not in the list of categories'),
        ({"category_id": 9}, "category_id 9 is not in the list of categories"),
        ({"category_id": True}, "category_id True is not"),
        ({"category_id": NAN}, "category_id nan is not"),
        ({"image_id": "7"}, 'image_id "7" (text) is of no listed image'),
        ({"image_id": 99}, "image_id 99 is of no listed image"),
        ({"image_id": [7]}, "image_id [7] is of no listed image"),
        ({"iscrowd": "0"}, 'iscrowd "0" (text), which is neither 0 nor 1'),
    ],
)
def test_an_annotation_that_cannot_be_used_is_named_and_the_others_are_used(
    annotation: dict[str, Any], message: str
) -> None:
    used, said = read(document({}, annotation, {}))
    assert used == [1, 3]
    assert len(said) == 1
    assert said[0].startswith("annotations[1] (id 2): ")
    assert message in said[0]


def test_numbers_written_with_a_point_are_the_same_numbers() -> None:
    assert read(document({"image_id": 7.0, "category_id": 1.0})) == ([1], [])


def test_an_annotation_without_an_id_is_used() -> None:
    written = document({})
    del written["annotations"][0]["id"]
    assert len(read_instances(json.dumps(written).encode(), "c").document["annotations"]) == 1


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("images", {"id": 9, "file_name": "9.jpg"}, "images[2] (id 9): lacks height, width"),
        ("images", 9, "images[2]: no object: 9"),
        (
            "images",
            {"id": 9, "file_name": "9.jpg", "height": "40", "width": 60},
            "images[2] (id 9): height '40', width 60",
        ),
        (
            "images",
            {"id": 9, "file_name": "9.jpg", "height": 10**6, "width": 10**6},
            "images[2] (id 9): height 1000000, width 1000000",
        ),
        (
            "images",
            {"id": 7, "file_name": "again.jpg", "height": 40, "width": 60},
            "images[2] (id 7): the id is listed before, as '7.jpg'",
        ),
        ("categories", {"id": "3", "name": "x"}, 'id "3" (text) is not a whole number'),
        ("categories", {"id": 3, "name": None}, "name None is not text"),
    ],
)
def test_an_image_or_category_that_cannot_be_used_is_named(
    name: str, entry: object, message: str
) -> None:
    written = document({})
    written[name].append(entry)
    used, said = read(written)
    assert used == [1]
    assert len(said) == 1
    assert message in said[0]


@pytest.mark.parametrize(
    ("written", "got"),
    [
        ([1], "[1]"),
        ({"images": []}, "no list 'annotations'"),
        (document(images=[{"id": 1}]), "none of 1 images can be used"),
        (document(categories=[{"id": "1", "name": "cat"}]), "none of 1 categories can be used"),
    ],
)
def test_a_file_of_which_nothing_can_be_used_is_refused(written: object, got: str) -> None:
    with pytest.raises(BadInput) as refused:
        read(written)
    assert got in refused.value.got


def test_json_nested_without_end_is_refused() -> None:
    for data in (b"[" * 100_000, b'{"images":' + b"[" * 100_000):
        with pytest.raises(BadInput):
            read_instances(data, "c.json")
        with pytest.raises(BadInput):
            read_coco_images(data, "c.json")


@pytest.mark.parametrize(
    ("segmentation", "message"),
    [
        ([], "no segmentation"),
        (None, "no segmentation"),
        ([[]], "no polygon of three corners"),
        ([[5, 5]], "no polygon of three corners"),
        ([[1, 2, 3, 4]], "no polygon of three corners"),
        ([[[1, 2], [3, 4], [5, 9]]], "no list of numbers"),
        ([["1", "2", "3", "4", "5", "6"]], "no list of numbers"),
        ([[1, 2, 3, 4, 5, None]], "no list of numbers"),
        ([1, 2, 3, 4, 5, 6], "neither polygons nor an RLE"),
        ("[[1,2,3,4,5,6]]", "no list of numbers"),
        ([[1, 2, 3, 4, 5, 6, 7]], "7 numbers, which are no pairs"),
        ([[1, 2, 1e8, 4, 5, 6]], "a corner at 100000000"),
        ([[1, 2, NAN, 4, 5, 6]], "a corner at nan"),
        ([[1, 2, -INF, 4, 5, 6]], "a corner at -inf"),
        ([[1, 2, 10**400, 4, 5, 6]], "no list of numbers"),
        ([[-3900, 0, 3900, 40] * 400], "an outline of"),
        ({"counts": [2400]}, "an RLE without 'size'"),
        ({"size": [40, 60]}, "an RLE without 'counts'"),
        ({"size": [60, 40], "counts": [2400]}, "an RLE of size [60, 40]"),
        ({"size": [40, 60], "counts": [1, 2]}, "runs of 3 pixels, wanted 40 x 60 = 2400"),
        ({"size": [40, 60], "counts": ["a"]}, "neither polygons nor an RLE"),
        ({"size": 40, "counts": [2400]}, "neither polygons nor an RLE"),
        ({"size": [40, 60], "counts": "o" * 10**6}, "counts that are not COCO compressed"),
    ],
)
def test_a_segmentation_that_cannot_be_drawn_is_a_value_error_at_once(
    segmentation: Any, message: str
) -> None:
    begun = time.monotonic()
    with pytest.raises(ValueError, match=re.escape(message)):
        drawn_runs(segmentation, (40, 60))
    assert time.monotonic() - begun < 5


def test_polygons_short_of_a_triangle_are_counted_and_the_others_drawn() -> None:
    segmentation = [[5, 5], *SQUARE, []]
    assert short_polygons(segmentation) == 2
    assert int(coco_mask.area(drawn_runs(segmentation, (40, 60)))) == 100
