"""Predictions become rows: whole categories, their objects, and pixels shared out or not."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pycocotools import mask as coco_mask

from model.segmenter import Prediction
from pipeline.label.rows import RowContext, label_rows
from pipeline.output.audit import audit
from pipeline.output.committed import read_all_rows, read_committed, read_labels
from pipeline.storage.place import Place
from schemas.job.label import Iterative, Thresholds
from schemas.job.storage import Storage
from schemas.record.row import ADDED_COLUMNS, LABEL_SCHEMA
from tests.made.data.datasets import filled
from tests.made.outputs.committed import commit_units, rejected_row
from tests.made.outputs.predictions import KEEP, SPLIT, predicted

SIZE = (80, 100)
TWO = filled((8, 8, 38, 38)) | filled((40, 60, 60, 80))  # 900 and 400 pixels
OTHER = filled((30, 30, 70, 70))


def _mask(row: dict) -> np.ndarray:
    rle = {"size": [row["height"], row["width"]], "counts": row["rle_counts"].encode()}
    return coco_mask.decode(rle).astype(bool)  # pyright: ignore[reportArgumentType]


def _image(name: str, *predictions: Prediction, context: RowContext = SPLIT) -> list[dict]:
    about = {"image_id": name, "uri": f"/photos/{name}", "exif_orientation": 1}
    return [about | row for row in label_rows(predictions, SIZE, context)]


def test_a_row_says_how_sure_the_method_is_of_the_objects_presence() -> None:
    (row,) = label_rows([predicted(3, TWO)], SIZE, KEEP)
    assert row["presence"] == 0.5
    assert row["instance_id"] is None
    sure_of_nothing = replace(predicted(3, TWO), presence=None)
    assert label_rows([sure_of_nothing], SIZE, KEEP)[0]["presence"] is None


def test_each_object_has_a_row_after_that_of_its_category() -> None:
    rows = label_rows([predicted(3, TWO), predicted(18, OTHER)], SIZE, SPLIT)
    found = [(row["category_id"], row["instance_id"], row["area_px"]) for row in rows]
    assert found == [(3, None, 1300), (3, 1, 900), (3, 2, 400), (18, None, 1600), (18, 1, 1600)]
    assert rows[2]["box_xywh"] == [60.0, 40.0, 20.0, 20.0]
    assert np.array_equal(_mask(rows[1]) | _mask(rows[2]), TWO)


def test_an_object_has_its_own_score_the_mean_probability_under_it() -> None:
    logits = np.where(filled((8, 8, 38, 38)), 2.0, np.where(TWO, 0.5, -9.0)).astype(np.float32)
    prediction = replace(predicted(3, TWO), logits_hw=logits)
    rows = label_rows([prediction], SIZE, SPLIT)
    wanted = [1 / (1 + np.exp(-2.0)), 1 / (1 + np.exp(-0.5))]
    assert [row["score"] for row in rows[1:]] == pytest.approx(wanted)
    assert [row["area_px"] for row in rows[1:]] == [900, 400]


def test_objects_smaller_than_a_cell_of_the_logits_have_no_row() -> None:
    small = filled((0, 0, 4, 4)) | filled((40, 40, 60, 60))
    assert [row["area_px"] for row in label_rows([predicted(3, small)], SIZE, SPLIT)[1:]] == [
        400,
        16,
    ]
    coarse = replace(predicted(3, small), logits_hw=predicted(3, small).logits_hw[::5, ::5])
    found = label_rows([coarse], SIZE, SPLIT)[1:]
    assert all(row["area_px"] >= 25 for row in found)
    assert len(found) == 1


def test_a_mask_below_a_threshold_has_no_objects() -> None:
    strict = replace(SPLIT, thresholds=Thresholds(min_score=0.95))
    (row,) = label_rows([predicted(3, TWO, score=0.9)], SIZE, strict)
    assert (row["status"], row["area_px"]) == ("empty", 0)


def test_without_a_policy_both_categories_keep_a_pixel() -> None:
    rows = label_rows([predicted(3, TWO, 0.5), predicted(18, OTHER, 0.9)], SIZE, KEEP)
    assert [row["area_px"] for row in rows] == [1300, 1600]


def test_argmax_gives_a_pixel_to_one_category_and_its_objects_follow() -> None:
    context = replace(SPLIT, overlaps="argmax")
    rows = label_rows([predicted(3, TWO, 0.5), predicted(18, OTHER, 0.9)], SIZE, context)
    cat = TWO & ~OTHER
    assert [row["area_px"] for row in rows] == [int(cat.sum()), 836, 200, 1600, 1600]
    assert np.array_equal(_mask(rows[0]), cat)
    assert np.array_equal(_mask(rows[3]), OTHER)


def test_a_mask_that_loses_its_pixels_becomes_empty_and_keeps_its_score() -> None:
    context = replace(KEEP, overlaps="argmax")
    inside = filled((40, 40, 50, 50))
    rows = label_rows([predicted(3, inside, 0.5), predicted(18, OTHER, 0.9)], SIZE, context)
    assert [(row["status"], row["area_px"]) for row in rows] == [("empty", 0), ("labelled", 1600)]
    assert rows[0]["score"] == 0.5
    assert rows[0]["box_xywh"] == [0.0] * 4


def test_argmax_changes_nothing_where_masks_lie_apart() -> None:
    apart = [predicted(3, filled((0, 0, 9, 9))), predicted(18, OTHER)]
    context = replace(KEEP, overlaps="argmax")
    assert label_rows(apart, SIZE, context) == label_rows(apart, SIZE, KEEP)


def test_readers_count_images_and_categories_and_not_objects(tmp_path: Path) -> None:
    nothing = predicted(18, np.zeros(SIZE, bool))
    rows = _image("1.jpg", predicted(3, TWO), nothing) + _image("2.jpg", predicted(3, TWO), nothing)
    commit = commit_units(str(tmp_path), [(rows, [rejected_row("3.jpg")])])
    counts = commit.counts
    assert (counts.images, counts.rows, counts.labelled, counts.empty) == (3, 4, 2, 2)
    assert counts.instances == 4
    output = Place.open(str(tmp_path), Storage())
    (labels,) = read_labels(output, commit)
    assert labels.num_rows == 4
    (all_rows,) = read_all_rows(output, commit)
    assert all_rows["instance_id"].to_pylist() == [None, 1, 2, None] * 2
    assert list(audit(output)) == []


def test_the_audit_names_objects_that_are_not_their_categorys(tmp_path: Path) -> None:
    nothing = predicted(18, np.zeros(SIZE, bool))
    rows = _image("1.jpg", predicted(3, TWO), nothing)
    outside = _image("1.jpg", predicted(3, OTHER))[1]
    rows = [rows[0], rows[1], outside | {"instance_id": 3}, rows[3]]
    commit_units(str(tmp_path), [(rows, [])])
    faults = list(audit(Place.open(str(tmp_path), Storage())))
    assert len(faults) == 2
    assert "object 3: 1336 pixels outside its category's mask" in faults[0]
    assert "category 3: objects numbered [1, 3]" in faults[1]


def test_parts_from_before_these_columns_are_read_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pa.schema([field for field in LABEL_SCHEMA if field.name not in ADDED_COLUMNS])
    monkeypatch.setattr("pipeline.output.unit.schema_with", lambda _asked: before)
    rows = _image("1.jpg", predicted(3, TWO), predicted(18, OTHER), context=KEEP)
    commit = commit_units(str(tmp_path), [(rows, [])])
    assert "presence" not in pq.read_table(tmp_path / commit.parts[0].path).column_names
    # Commits had no count of instances either, nor of what is for review.
    text = re.sub(r',\n +"(instances|review)": 0', "", (tmp_path / "commit.json").read_text())
    (tmp_path / "commit.json").write_text(text)
    output = Place.open(str(tmp_path), Storage())
    commit, _ = read_committed(output)
    assert commit.counts.review is None
    (labels,) = read_labels(output, commit)
    assert labels.schema.equals(LABEL_SCHEMA)
    assert labels["presence"].to_pylist() == [None, None]
    assert list(audit(output)) == []


def test_objects_that_a_method_found_keep_their_own_score_and_share_no_pixel() -> None:
    first, second = predicted(3, TWO, score=0.8), predicted(3, OTHER, score=0.6)
    small = predicted(3, filled((0, 90, 3, 93)), score=0.5)
    whole = predicted(3, TWO | OTHER | filled((0, 90, 3, 93)), score=0.8)
    whole = replace(whole, objects=(first, second, small))
    context = replace(KEEP, instances=Iterative(by="iterative"))
    rows = label_rows([whole], SIZE, context)
    found = [(row["instance_id"], row["score"], row["area_px"]) for row in rows]
    # The third has 9 pixels, fewer than 16.
    assert found[1:] == [(1, 0.8, 1300), (2, 0.6, int((OTHER & ~TWO).sum()))]
    assert found[0][:2] == (None, 0.8)
    strict = replace(context, thresholds=Thresholds(min_score=0.7))
    assert [row["instance_id"] for row in label_rows([whole], SIZE, strict)] == [None, 1]
