"""One actor's work with every method, from a job file's references to committed rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.cluster.unit_table import unit_to_table
from pipeline.inputs.shards import EncodedImage, Unit
from pipeline.label.actor import SegmentTask, SegmentUnits
from pipeline.label.check import check
from pipeline.label.rows import RowContext
from pipeline.presence.heads import put_head
from schemas.errors import BadInput
from schemas.job.label import LabelJob
from schemas.record.presence import PresenceChoice
from schemas.record.receipt import Receipt
from tests.made.networks.presence import HEAD
from tests.made.pixels.waves import picture

NANO = {"type": "nano", "weights": "random:1"}
BACKBONE = {"type": "nano", "weights": "random:2"}
METHODS: dict[str, dict[str, Any]] = {
    "gp_sam": {"sam": NANO, "backbone": BACKBONE},
    "persam": {"sam": NANO},
    "persam_f": {"sam": NANO, "backbone": BACKBONE, "epochs": 3},
    "matcher": {"sam": NANO, "backbone": BACKBONE, "proposals": 4},
}


def label(folder: Path, method: dict[str, Any], **changes: Any) -> list[dict[str, Any]]:
    """Label two images with two categories and return the rows that were committed."""
    folder.mkdir()
    mask = np.zeros((60, 80), np.uint8)
    mask[10:50, 20:60] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    for seed in (1, 2, 3, 4):
        Image.fromarray(picture(seed, 60, 80)).save(folder / f"{seed}.png")
    drawn = [{"type": "mask", "uri": f"{folder}/mask.png"}, {"type": "box", "xyxy": [5, 5, 40, 50]}]
    document = {
        "targets": {"type": "images", "uris": f"{folder}/[34].png"},
        "references": [
            {"category": name, "image": f"{folder}/{seed}.png", "annotation": annotation}
            for name, seed, annotation in zip(("cat", "cow"), (1, 2), drawn, strict=True)
        ],
        "method": method,
        "allow_random_weights": True,
        "output": {"uri": f"{folder}/out"},
        "compute": {"batch_size": 2, "precision": "fp32"},
        **changes,
    }
    checked = check(LabelJob.model_validate(document))
    names = {1: (checked.references[0].id,), 2: (checked.references[1].id,)}
    context = RowContext(checked.identity, names, checked.job.thresholds)
    task = SegmentTask(checked.job, checked.references, context, 0.0, presence=checked.presence)
    actor = SegmentUnits(task)
    images = tuple(
        EncodedImage(f"{seed}", f"{folder}/{seed}.png", (folder / f"{seed}.png").read_bytes())
        for seed in (3, 4)
    )
    table = unit_to_table(Unit("0" * 16, 0, last=True, images=images))
    (text,) = actor(table)["receipt"]
    part = Receipt.model_validate_json(text).part
    return pq.read_table(folder / "out" / part.path).to_pylist()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_writes_a_row_per_image_and_category(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VRP_CACHE", str(tmp_path / "cache"))
    method = {"type": name, **METHODS[name]}
    rows = label(tmp_path / "first", method)
    asked = [(row["image_id"], row["category"]) for row in rows]
    assert asked == [(i, c) for i in "34" for c in ("cat", "cow")]
    assert {row["status"] for row in rows} <= {"labelled", "empty"}
    again = label(tmp_path / "again", method)
    seen = ("category", "rle_counts", "score", "area_px")
    assert [[row[key] for key in seen] for row in rows] == [
        [row[key] for key in seen] for row in again
    ]
    assert (tmp_path / "cache" / "mask-weights").exists() == (name == "persam_f")
    absent = label(tmp_path / "absent", {**method, "min_presence": 1.0})
    assert {(row["status"], row["area_px"], row["score"]) for row in absent} == {("empty", 0, 0.0)}


def test_a_job_that_asks_for_a_precision_keeps_how_it_decides_in_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VRP_CACHE", str(tmp_path / "cache"))
    random = {"type": "nano", "weights": "random:1"}
    method = {"type": "vrp", "weights": "random:1", "sam": random, "backbone": random}
    put_head(tmp_path / "head.json", HEAD)
    asked = {"thresholds": {"precision": 0.95}, "presence_head": f"{tmp_path}/head.json"}
    rows = label(tmp_path / "first", method, **asked, allow_random_weights=True)
    assert all(row["decision"] in ("labelled", "review", "absent") for row in rows)
    assert all((row["decision"] == "absent") <= (row["status"] == "empty") for row in rows)
    choice = PresenceChoice.model_validate_json((tmp_path / "first/out/presence.json").read_text())
    assert choice.absent_below <= choice.labelled_from


def test_a_method_without_a_head_is_refused_before_any_work(tmp_path: Path) -> None:
    method = {"type": "gp_sam", "sam": {"type": "nano", "weights": "random"}}
    allowed = {"thresholds": {"recall": 0.9}, "allow_random_weights": True}
    with pytest.raises(BadInput, match="vrp presence fit"):
        label(tmp_path / "first", method, **allowed)
