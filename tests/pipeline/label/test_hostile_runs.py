"""Masks written by nobody's tool: run lengths and polygons that would end the process."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pycocotools import mask as coco_mask

from pipeline.label.annotations import Files, draw
from pipeline.masks.runs import encode_rle, filled, runs_of
from schemas.errors import BadReference
from schemas.job.reference import Reference

QUICK = settings(max_examples=200)
INF, NAN = float("inf"), float("nan")


@QUICK
@given(arrays.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))))
def test_a_mask_survives_both_ways_of_writing_its_runs(mask_HW: np.ndarray) -> None:
    size_HW: Any = mask_HW.shape
    written = encode_rle(mask_HW)["counts"]
    np.testing.assert_array_equal(coco_mask.decode(runs_of(written, size_HW)), mask_HW)
    column_major = mask_HW.ravel(order="F")
    edges = np.flatnonzero(np.diff(column_major, prepend=False, append=~column_major[-1:]))
    plain = np.diff(edges, prepend=0).tolist()
    np.testing.assert_array_equal(coco_mask.decode(runs_of(plain, size_HW)), mask_HW)


numbers = st.integers(-5, 70) | st.integers()
texts = st.text("".join(map(chr, range(46, 114))), max_size=12) | st.text(max_size=4)


@QUICK
@given(texts | st.lists(numbers, max_size=6), st.integers(1, 8), st.integers(1, 8))
def test_any_counts_decode_to_their_size_or_are_a_value_error(
    counts: str | list[int], height: int, width: int
) -> None:
    try:
        runs = runs_of(counts, (height, width))
    except ValueError:
        return
    assert coco_mask.decode(runs).shape == (height, width)


corners = st.lists(st.floats() | st.floats(-50, 50), min_size=6, max_size=12)


@QUICK
@given(st.lists(corners.map(lambda c: c[: len(c) // 2 * 2]), min_size=1, max_size=3))
def test_any_polygons_are_drawn_or_are_a_value_error(polygons: list[list[float]]) -> None:
    try:
        runs = filled(polygons, (9, 7))
    except ValueError:
        return
    assert coco_mask.decode(runs).shape == (9, 7)


def said(annotation: dict[str, Any], data: bytes = b"") -> str:
    written = {"category": "cat", "image": "a.png", "annotation": annotation}
    reference = Reference.model_validate(written, context={"folder": ""})
    with pytest.raises(BadReference) as raised:
        draw(reference, (6, 8), Files(lambda uri: data), "references[0]")
    return str(raised.value)


# Without the check, the first two and the last of these end the process.
@pytest.mark.parametrize("far", [NAN, 1e8, INF, -1e300, 9e3])
def test_a_polygon_far_outside_is_refused(far: float) -> None:
    assert "far outside" in said({"type": "polygon", "polygons": [[far, 0, 5, 0, 5, 5]]})


@pytest.mark.parametrize("counts", ["1", [10**12], "oooooooooooooo", "0o", [-1, 49], "\x00", "é"])
def test_runs_of_another_size_than_the_image_are_refused(counts: str | list[int]) -> None:
    assert "fill its size" in said({"type": "rle", "size": [6, 8], "counts": counts})
    assert "another size" in said({"type": "rle", "size": [10**6, 10**6], "counts": counts})


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_mask_file_that_claims_billions_of_pixels_is_never_decoded() -> None:
    buffer = io.BytesIO()
    Image.new("1", (12000, 12000)).save(buffer, "PNG")
    assert "12000 x 12000" in said({"type": "mask", "uri": "m.png"}, buffer.getvalue())


@pytest.mark.parametrize(
    "segmentation", ["[]", '{"counts": 1}', "[[1, 2]]", "null", "7", '{"size": [6, 8]}', "[[[1]]]"]
)
def test_a_coco_annotation_without_a_mask_is_refused(segmentation: str) -> None:
    data = f"""{{
        "images": [{{"id": 1, "file_name": "a.png", "height": 6, "width": 8}}],
        "categories": [{{"id": 1, "name": "cat"}}],
        "annotations": [
            {{"id": 1, "image_id": 1, "category_id": 1, "segmentation": {segmentation}}}
        ]
    }}""".encode()
    message = said({"type": "coco", "uri": "c.json", "annotation_id": 1}, data)
    assert "a COCO annotation without a mask" in message


def test_json_nested_without_end_is_refused() -> None:
    said({"type": "coco", "uri": "c.json", "annotation_id": 1}, b"[" * 100_000)
