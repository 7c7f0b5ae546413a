"""Annotations as drawn: every way of writing one object is the same mask, every slip is named."""

import io
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pydantic import TypeAdapter

from model.segmenter import Drawn
from pipeline.label.annotations import draw
from schemas.errors import BadReference
from schemas.reference import Annotation

MASK_HW = np.zeros((6, 8), dtype=bool)
MASK_HW[2:5, 3:7] = True


def png(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def drawn(annotation: dict[str, Any], files: dict[str, bytes] | None = None) -> Drawn:
    folder = {"folder": ""}
    parsed = TypeAdapter(Annotation).validate_python(annotation, context=folder)
    return draw(parsed, (6, 8), (files or {}).__getitem__, "references[0]")


def said(annotation: dict[str, Any], files: dict[str, bytes] | None = None) -> str:
    with pytest.raises(BadReference) as caught:
        drawn(annotation, files)
    assert caught.value.where == "references[0]"
    return str(caught.value)


RUNS: Any = coco_mask.encode(np.asfortranarray(MASK_HW, dtype=np.uint8))
COCO = json.dumps(
    {
        "annotations": [
            {"id": 7, "segmentation": [[3, 2, 7, 2, 7, 5, 3, 5]]},
            {"id": 8, "segmentation": {"size": [6, 8], "counts": RUNS["counts"].decode()}},
        ]
    }
).encode()


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
    message = said({"type": "coco", "uri": "c.json", "annotation_id": 9}, {"c.json": COCO})
    assert "none with id 9" in message


def test_a_coco_file_that_is_none_is_refused() -> None:
    message = said({"type": "coco", "uri": "c.json", "annotation_id": 9}, {"c.json": b"[1]"})
    assert "an instances JSON" in message
