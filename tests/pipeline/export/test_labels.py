"""A commit is read as images with numbers that stay, names that open, and the wanted masks."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.export.labels import LabelledImage, Labels, RejectedImage
from pipeline.export.selection import Selection
from pipeline.output.audit import audit
from pipeline.storage.place import Place
from schemas.errors import BadInput, BadStorage
from schemas.job.storage import Storage
from tests.made.data.datasets import filled
from tests.made.outputs.committed import Kind, commit_units, label_rows, rejected_row
from tests.made.outputs.labels import DOG
from tests.made.outputs.verdicts import say

EMPTY = np.zeros((80, 100), bool)
BIG, SMALL = filled((8, 8, 68, 68)), filled((70, 80, 78, 90))
BOTH = {"cat": BIG, "dog": SMALL}


def _read(output: Path, selection: Selection | None = None) -> list[LabelledImage | RejectedImage]:
    return list(Labels.open(str(output), Storage(), selection or Selection()).images())


def _categories(images: list[LabelledImage | RejectedImage]) -> dict[str, list[str]]:
    return {
        image.image_id: [mask.category.name for mask in image.masks]
        for image in images
        if isinstance(image, LabelledImage)
    }


def _numbers(output: Path) -> dict[str, tuple[int, list[int]]]:
    return {
        image.image_id: (image.number, [mask.number for mask in image.masks])
        for image in _read(output)
        if isinstance(image, LabelledImage)
    }


def test_a_retry_that_labels_a_rejected_image_moves_no_number(tmp_path: Path) -> None:
    later = (label_rows("c/1", BOTH), [])
    first = (label_rows("a", BOTH) + label_rows("c", BOTH), [rejected_row("b")])
    retried = (label_rows("a", BOTH) + label_rows("b", BOTH) + label_rows("c", BOTH), [])
    commit_units(str(tmp_path / "before"), [first, later])
    commit_units(str(tmp_path / "after"), [retried, later])
    before, after = _numbers(tmp_path / "before"), _numbers(tmp_path / "after")
    assert after == before | {"b": (2, [3, 4])}


def test_a_category_or_score_that_is_not_wanted_moves_no_number(tmp_path: Path) -> None:
    rows = label_rows("a", BOTH, score=0.4) + label_rows("b", BOTH, score=0.9)
    commit_units(str(tmp_path), [(rows, [])])
    (a, b) = _read(tmp_path, Selection(0.5, ("dog",)))
    assert isinstance(a, LabelledImage)
    assert isinstance(b, LabelledImage)
    assert (a.masks, [mask.number for mask in b.masks]) == ((), [4])
    assert np.array_equal(b.masks[0].pixels(b.size_HW), SMALL)


def test_what_a_job_left_for_review_is_no_label_until_a_person_says_so(tmp_path: Path) -> None:
    rows = [
        row | {"probability": 0.4, "decision": decision}
        for image_id in "ab"
        for row, decision in zip(label_rows(image_id, BOTH), ("labelled", "review"), strict=True)
    ]
    commit = commit_units(str(tmp_path), [(rows, [])])
    assert (commit.counts.labelled, commit.counts.review) == (4, 2)
    assert list(audit(Place.open(str(tmp_path), Storage()))) == []
    say(str(tmp_path), "b", "accepted", DOG)
    made = {"a": ["cat"], "b": ["cat"]}
    assert _categories(_read(tmp_path)) == made
    assert _categories(_read(tmp_path, Selection(reviewed="all"))) == made | {"b": ["cat", "dog"]}


def test_categories_may_be_named_with_commas_between_them(tmp_path: Path) -> None:
    commit_units(str(tmp_path), [(label_rows("a", BOTH), [])])
    (image,) = _read(tmp_path, Selection(categories=("dog,cat",)))
    assert isinstance(image, LabelledImage)
    assert [mask.category.name for mask in image.masks] == ["cat", "dog"]
    with pytest.raises(BadInput, match="cow"):
        _read(tmp_path, Selection(categories=("dog,cow",)))


@pytest.mark.parametrize(
    ("source", "image_id", "uri", "name"),
    [
        ("images", "a/1.JPG", "s3://b/p/a/1.JPG", "a/1.JPG"),
        ("webdataset", "s/a-0/01", "s3://b/s/a-0.tar#01.JPG", "s/a-0/01.JPG"),
        ("webdataset", "a-0/x/01", "/in/a-0.tar#./x/01.v2.png", "a-0/x/01.v2.png"),
        ("webdataset", "s/IMG", "s3://b/s.tgz#IMG.jpg", "s/IMG.jpg"),
        ("webdataset", "s/12.30.15", "/in/s.tar.gz#12.30.15.jpg", "s/12.30.15.jpg"),
        ("webdataset", "s/a/1", "/in/s#a/1.jpg", "s/a/1.jpg"),
        ("webdataset", "s/a#2", "/in/s.tar#a.jpg", "s/a#2.jpg"),
        ("parquet", "p0", "/in/a.parquet#0", "p0.png"),
        ("parquet", "p.0", "/in/a.parquet#0", "p.0.png"),
        ("parquet", "cat.jpeg", "/in/a.parquet#0", "cat.jpeg"),
        ("parquet", "a/cat.jpeg", "/in/a.parquet#0", "a/cat.jpeg"),
        ("parquet", "https://h/x 1.jpg", "/in/a.parquet#0", "https%3A%2F%2Fh%2Fx 1.jpg"),
        ("parquet", "s3://h/x.jpg?w=2", "/in/a.parquet#0", "s3%3A%2F%2Fh%2Fx.jpg%3Fw%3D2.png"),
        ("parquet", "../up", "/in/a.parquet#0", "..%2Fup.png"),
        ("parquet", "two\nlines.jpg", "/in/a.parquet#0", "two%0Alines.jpg"),
        ("coco", "7", "s3://b/val/cityA/1.jpg", "cityA/1.jpg"),
    ],
)
def test_a_file_name_is_one_that_opens(
    source: Kind, image_id: str, uri: str, name: str, tmp_path: Path
) -> None:
    commit_units(str(tmp_path), [(label_rows(image_id, BOTH, uri=uri), [])], source=source)
    assert [image.file_name for image in _read(tmp_path)] == [name]


def test_file_names_of_a_coco_source_need_its_plan(tmp_path: Path) -> None:
    commit_units(str(tmp_path), [(label_rows("7", BOTH), [])], source="coco")
    (tmp_path / "plan/00000.parquet").unlink()
    with pytest.raises(BadStorage, match="plan is gone"):
        _read(tmp_path)
