"""A fault of a file is told in our words: no library's name, no web address."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.faults import faults_of
from schemas.job.reference import Annotation, Reference

REFERENCE: TypeAdapter[Reference] = TypeAdapter(Reference)
ANNOTATION: TypeAdapter[Annotation] = TypeAdapter(Annotation)


def said(adapter: TypeAdapter[Any], value: object) -> str:
    with pytest.raises(ValidationError) as raised:
        adapter.validate_python(value)
    return faults_of(raised.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"type": "mask"}, "mask.uri: is missing"),
        ({"type": "mask", "uri": 3}, "mask.uri: is not text"),
        ({"type": "mask", "uri": "a", "of": 3}, "mask.of: is no key of this"),
        ({"type": "mask", "uri": "a", "value": -1}, "is below 0"),
        ({"type": "coco", "uri": "a", "annotation_id": "x"}, "is not a whole number"),
        ({"type": "polygon", "polygons": [[1, 2]]}, "wanted x and y of at least 3 corners"),
        ({"type": "polygon", "polygons": []}, "is shorter than 1"),
        ({"type": "lasso"}, "'type' is none of 'mask', 'rle'"),
        ({}, "lacks 'type'"),
        (3, "is not a mapping"),
    ],
)
def test_a_fault_is_told_with_its_place_in_our_words(value: object, words: str) -> None:
    message = said(ANNOTATION, value)
    assert words in message
    assert "pydantic" not in message
    assert "Input should" not in message


def test_what_is_no_json_is_told() -> None:
    with pytest.raises(ValidationError) as raised:
        REFERENCE.validate_json("{")
    assert faults_of(raised.value).startswith("is not JSON: ")


def test_other_errors_say_it_themselves() -> None:
    assert faults_of(ValueError("no UTF-8")) == "no UTF-8"
