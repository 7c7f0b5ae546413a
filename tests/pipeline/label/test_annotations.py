"""Annotations as drawn: every way of writing one object is the same mask, every slip is named."""

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from model.segmenter import Drawn
from pipeline.images.decode import displayed
from pipeline.label.annotations import Files, draw
from schemas.errors import BadReference
from schemas.job.reference import Reference

MASK_HW = np.zeros((6, 8), dtype=bool)
MASK_HW[2:5, 3:7] = True


def png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def drawn(annotation: dict[str, Any], files: dict[str, bytes] | None = None) -> Drawn:
    written = {"category": "cat", "image": "photos/ref.png", "annotation": annotation}
    reference = Reference.model_validate(written, context={"folder": ""})
    return draw(reference, (6, 8), Files((files or {}).__getitem__), "references[0]").drawn


def said(annotation: dict[str, Any], files: dict[str, bytes] | None = None) -> str:
    with pytest.raises(BadReference) as caught:
        drawn(annotation, files)
    assert caught.value.where == "references[0]"
    return str(caught.value)


RUNS: Any = coco_mask.encode(np.asfortranarray(MASK_HW, dtype=np.uint8))


def coco(**changed: Any) -> bytes:
    """A file of two photos of one name, two categories, and annotations 7, 8 and `changed` 9."""
    ours = {"image_id": 1, "category_id": 3}
    polygons = [[3, 2, 7, 2, 7, 5, 3, 5]]
    document = {
        "images": [
            {"id": 1, "file_name": "photos/ref.png", "height": 6, "width": 8},
            {"id": 2, "file_name": "others/ref.png", "height": 6, "width": 8},
            {"id": 4, "file_name": "photos/other.png", "height": 6, "width": 8},
        ],
        "categories": [{"id": 3, "name": "cat"}, {"id": 4, "name": "dog"}],
        "annotations": [
            {"id": 7, "segmentation": polygons} | ours,
            {"id": 8, "segmentation": {"size": [6, 8], "counts": RUNS["counts"].decode()}} | ours,
            {"id": 9, "segmentation": polygons} | ours | changed,
        ],
    }
    return json.dumps(document).encode("utf-8-sig")


COCO = coco()


@pytest.mark.parametrize(
    "annotation",
    [
        {"type": "mask", "uri": "m.png"},
        {"type": "mask", "uri": "labels.png", "value": 4},
        {"type": "rle", "size": [6, 8], "counts": RUNS["counts"].decode()},
        {"type": "rle", "size": [6, 8], "counts": [20, 3, 3, 3, 3, 3, 3, 3, 7]},
        {"type": "polygon", "polygons": [[3, 2, 7, 2, 7, 5, 3, 5]]},
        {"type": "coco", "uri": "c.json", "annotation_id": 7},
        {"type": "coco", "uri": "c.json", "annotation_id": 8},
    ],
)
def test_every_encoding_of_a_mask_is_the_same_mask(annotation: dict[str, Any]) -> None:
    labels = np.where(MASK_HW, 4, 9).astype(np.uint8)
    files = {
        "m.png": png(MASK_HW.astype(np.uint8) * 255),
        "labels.png": png(labels),
        "c.json": COCO,
    }
    np.testing.assert_array_equal(drawn(annotation, files), MASK_HW)


def test_geometry_inside_the_image_stays_geometry() -> None:
    box = drawn({"type": "box", "xyxy": [-2, 1, 5, 9]})
    assert not isinstance(box, np.ndarray)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_is_turned_as_its_own_exif_says(orientation: int) -> None:
    back = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    stored = displayed(MASK_HW.astype(np.uint8) * 255, back)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(stored).save(buffer, "PNG", exif=exif)
    files = {"m.png": buffer.getvalue()}
    for value in (None, 255):
        found = drawn({"type": "mask", "uri": "m.png", "value": value}, files)
        assert isinstance(found, np.ndarray)
        assert np.array_equal(found, MASK_HW)


def test_a_box_is_said_to_reach_beyond_the_image_and_refused_as_shares() -> None:
    written = {"category": "cat", "image": "ref.png"}
    files = Files({}.__getitem__)

    def read(*xyxy: float) -> str:
        annotation = {"type": "box", "xyxy": xyxy}
        reference = Reference.model_validate(written | {"annotation": annotation})
        return draw(reference, (6, 8), files, "").said

    assert "beyond" not in read(0, 0, 8, 6)
    assert "beyond the edge of the image, 8 wide and 6 high" in read(4, 2, 9, 6)
    assert "shares of the image" in said({"type": "box", "xyxy": (0.2, 0.3, 0.6, 1.0)})


def test_an_empty_mask_is_refused() -> None:
    empty = {"m.png": png(np.zeros((6, 8), np.uint8))}
    assert "no foreground pixel" in said({"type": "mask", "uri": "m.png"}, empty)


def test_a_mask_of_another_size_is_refused() -> None:
    other = {"m.png": png(np.ones((6, 9), np.uint8))}
    message = said({"type": "mask", "uri": "m.png"}, other)
    assert "a mask of 9 x 6" in message
    assert "8 x 6" in message


def test_a_mask_without_the_value_asked_for_is_refused() -> None:
    labels = {"m.png": png(np.full((6, 8), 3, np.uint8))}
    assert "values 3 in m.png" in said({"type": "mask", "uri": "m.png", "value": 4}, labels)


def test_a_mask_that_is_no_image_is_refused() -> None:
    assert "m.png" in said({"type": "mask", "uri": "m.png"}, {"m.png": b"hello"})


def test_runs_that_do_not_fill_their_size_are_refused() -> None:
    assert "runs of 5 pixels" in said({"type": "rle", "size": [6, 8], "counts": [2, 3]})


@pytest.mark.parametrize(
    "annotation",
    [
        {"type": "box", "xyxy": [8, 0, 12, 4]},
        {"type": "points", "points": [[1, 1], [8, 1]]},
        {"type": "scribbles", "strokes": [[[1, 1], [1, 6]]]},
        {"type": "polygon", "polygons": [[20, 20, 30, 20, 30, 30]]},
    ],
)
def test_an_annotation_outside_the_image_is_refused(annotation: dict[str, Any]) -> None:
    message = said(annotation)
    assert "outside" in message or "empty" in message


def test_an_annotation_id_that_is_not_in_the_file_is_refused() -> None:
    message = said({"type": "coco", "uri": "c.json", "annotation_id": 5}, {"c.json": COCO})
    assert "none with id 5" in message


def test_a_coco_file_that_is_none_is_refused() -> None:
    message = said({"type": "coco", "uri": "c.json", "annotation_id": 9}, {"c.json": b"[1]"})
    assert "an instances JSON" in message


@pytest.mark.parametrize(
    ("changed", "got", "wanted"),
    [
        ({"image_id": 4}, "is of image 4, photos/other.png", "one of photos/ref.png"),
        ({"image_id": 2}, "is of image 2, others/ref.png", "one of photos/ref.png"),
        ({"category_id": 4}, "is a 'dog'", "one of category 'cat'"),
        ({"category_id": "3"}, 'category_id "3" (text)', "one that can be used"),
        ({"segmentation": [[3, 2, 1e8, 2, 7, 5]]}, "a corner at 100000000", "polygons"),
        ({"segmentation": []}, "no segmentation", "polygons"),
        ({"id": 8}, "2 annotations of id 8", "one that can be used"),
    ],
)
def test_a_coco_annotation_that_is_not_of_the_reference_is_refused(
    changed: dict[str, Any], got: str, wanted: str
) -> None:
    number = changed.get("id", 9)
    asked = {"type": "coco", "uri": "c.json", "annotation_id": number}
    message = said(asked, {"c.json": coco(**changed)})
    assert got in message
    assert wanted in message
    assert "pydantic" not in message


def test_a_coco_entry_of_another_size_than_the_image_is_refused() -> None:
    document = json.loads(coco())
    document["images"][0] |= {"height": 8, "width": 6}
    files = {"c.json": json.dumps(document).encode()}
    message = said({"type": "coco", "uri": "c.json", "annotation_id": 7}, files)
    assert "6 x 8 for photos/ref.png" in message
    assert "8 x 6, the displayed size" in message


def test_a_photo_that_was_moved_out_of_its_folder_is_still_its_entrys() -> None:
    document = json.loads(coco())
    document["images"][0]["file_name"] = "train2017\\ref.png"
    del document["images"][1]
    files = {"c.json": json.dumps(document).encode()}
    drawn({"type": "coco", "uri": "c.json", "annotation_id": 7}, files)


@pytest.mark.parametrize(
    "annotation",
    [
        {"type": "mask", "uri": "m.png"},
        {"type": "rle", "size": [6, 8], "counts": [0, 48]},
        {"type": "polygon", "polygons": [[-9, -9, 20, -9, 20, 20, -9, 20]]},
    ],
)
def test_a_mask_of_the_whole_image_is_refused(annotation: dict[str, Any]) -> None:
    message = said(annotation, {"m.png": png(np.ones((6, 8), np.uint8))})
    assert "covers the whole image" in message
    assert "48 pixels, 100.0% of the image, x 0 to 8, y 0 to 6" in message
