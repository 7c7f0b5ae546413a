"""Exported files in COCOeval: they score what arithmetic says."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from pycocotools.cocoeval import COCOeval

from pipeline.export.coco import export_coco
from pipeline.export.selection import Selection
from pipeline.label.rows import label_rows as label_rows_of
from schemas.errors import BadInput
from schemas.job.storage import Storage
from tests.made.data.datasets import CocoFiles, filled, rle_of
from tests.made.outputs.coco_export import EMPTY, UNITS, exported, opened
from tests.made.outputs.committed import commit_units
from tests.made.outputs.predictions import SPLIT, predicted


def test_cocoeval_finds_an_export_perfect_against_itself(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), UNITS)
    document = exported(tmp_path / "out", tmp_path / "coco.json")
    truth = opened(tmp_path / "coco.json")
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(document["annotations"]), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1.0)


def _segm_stats(truth: Path, found: Any) -> float:
    coco = opened(truth)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(coco, coco.loadRes(found), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def test_objects_score_with_cocoeval_what_arithmetic_says(tmp_path: Path) -> None:
    """One image with two cats of 900 and 500 pixels: the first is found exactly, of the other 320.

    As objects: IoU 1 and 0.64. At IoU 0.5, 0.55 and 0.6 both are found, AP 1; at the other seven
    one is, recall reaches 1/2 with precision 1, and 51 of COCO's 101 recalls lie up to there.
    As one mask of 1220 pixels: IoU 900/1220 = 0.738, so found once at 0.5 … 0.7, nowhere above.
    """
    first, second = filled((8, 8, 38, 38)), filled((40, 60, 60, 85))
    truth = CocoFiles(tmp_path / "truth", ("a", "b", "cat"))
    truth.image(1)
    for mask_HW in (first, second):
        truth.annotate(1, "cat", rle_of(mask_HW))
        truth.document["annotations"][-1]["area"] = int(mask_HW.sum())
    truth.save()
    rows = [
        {"image_id": "1", "uri": "1.jpg", "exif_orientation": 1} | row
        for row in label_rows_of(
            [predicted(3, first | filled((40, 60, 60, 76))), predicted(18, EMPTY)], (80, 100), SPLIT
        )
    ]
    fields = {"instances.by": "components", "instances.most": "100"}
    commit_units(str(tmp_path / "out"), [(rows, [])], source="coco", fields=fields)
    instances = tmp_path / "instances.json"
    export_coco(str(tmp_path / "out"), Storage(), str(instances), Selection(instances=True))
    document = json.loads(instances.read_text())
    assert [entry["area"] for entry in document["annotations"]] == [900, 320]
    assert len(document["images"]) == 1
    of_objects = _segm_stats(tmp_path / "truth/instances.json", document["annotations"])
    assert of_objects == pytest.approx((3 * 1 + 7 * 51 / 101) / 10)
    whole = exported(tmp_path / "out", tmp_path / "coco.json")["annotations"]
    of_mask = _segm_stats(tmp_path / "truth/instances.json", whole)
    assert of_mask == pytest.approx(5 * 51 / 101 / 10)


def test_objects_that_no_job_made_cannot_be_exported(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), UNITS)
    with pytest.raises(BadInput, match="single objects"):
        export_coco(
            str(tmp_path / "out"), Storage(), str(tmp_path / "a.json"), Selection(instances=True)
        )
