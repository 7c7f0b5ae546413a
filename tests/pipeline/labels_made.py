"""Label rows and whole outputs with chosen masks, for tests of what reads them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem
from pycocotools import mask as coco_mask

from pipeline.commit import write_commit
from pipeline.plan import Plan
from pipeline.rows import encode_rle
from pipeline.sink import UnitName, write_unit
from schemas.commit import Commit, Identity, Shard
from schemas.reference import Category
from schemas.row import LABEL_SCHEMA

SIDE = 40
GEAR, MUG = Category(id=1, name="gear"), Category(id=7, name="mug")
SHARD_ID = "00112233aabbccdd"


def square(left: int, top: int, side: int) -> np.ndarray:
    """A bool mask [40, 40] with a filled square."""
    mask_HW = np.zeros((SIDE, SIDE), dtype=bool)
    mask_HW[top : top + side, left : left + side] = True
    return mask_HW


NOTHING = square(0, 0, 0)


def row(
    image_id: str,
    category: Category,
    mask_HW: np.ndarray,
    score: float = 0.9,
    uri: str = "lost.png",
) -> dict[str, Any]:
    """One label row with the given mask; an empty one has status `empty`."""
    rle: Any = encode_rle(mask_HW)
    return {
        "image_id": image_id,
        "uri": uri,
        "height": mask_HW.shape[0],
        "width": mask_HW.shape[1],
        "exif_orientation": 1,
        "category_id": category.id,
        "category": category.name,
        "status": "labelled" if mask_HW.any() else "empty",
        "rle_counts": rle["counts"],
        "box_xywh": [float(side) for side in coco_mask.toBbox(rle)],
        "area_px": int(mask_HW.sum()),
        "score": score,
        "stability": 0.8,
        "references": ["0123456789ab"],
        "job_fingerprint": "f" * 64,
        "model_fingerprint": "e" * 64,
        "random_weights": False,
    }


def table(*rows: dict[str, Any]) -> pa.Table:
    """Rows as the parts hold them."""
    return pa.Table.from_pylist(list(rows), schema=LABEL_SCHEMA)


def instances(path: Path, images: dict[str, dict[str, list[np.ndarray]]]) -> str:
    """Write a COCO instances file: file name -> category name -> masks; return its path."""
    document: dict[str, list[dict[str, Any]]] = {
        "images": [
            {"id": number, "file_name": name, "height": SIDE, "width": SIDE}
            for number, name in enumerate(images, start=100)
        ],
        "annotations": [],
        "categories": [{"id": 3, "name": "mug"}, {"id": 4, "name": "gear"}, {"id": 5, "name": "x"}],
    }
    ids = {entry["name"]: entry["id"] for entry in document["categories"]}
    for number, shown in enumerate(images.values(), start=100):
        for name, masks in shown.items():
            document["annotations"] += [
                {
                    "id": len(document["annotations"]),
                    "image_id": number,
                    "category_id": ids[name],
                    "iscrowd": 0,
                    "segmentation": encode_rle(mask_HW),
                }
                for mask_HW in masks
            ]
    path.write_text(json.dumps(document))
    return str(path)


def commit_rows(
    output: Path,
    labels: list[dict[str, Any]],
    rejected: list[dict[str, Any]],
    random_weights: tuple[str, ...] = (),
) -> Commit:
    """Commit rows as one unit of one shard, the way a job does."""
    fs = LocalFileSystem()
    identity = Identity(
        fingerprint="f" * 64,
        model_fingerprint="e" * 64,
        fields={"method.type": "vrp", "thresholds.min_score": "0.5"},
        categories=(GEAR, MUG),
        source="images",
        random_weights=random_weights,
    )
    unit = UnitName(SHARD_ID, 0, last=True)
    shard = Shard(
        id=SHARD_ID, kind="tar", name="a.tar", uri="a.tar", size_bytes=9, images_per_unit=256
    )
    images = len({label["image_id"] for label in labels}) + len(rejected)
    part = write_unit(fs, str(output), unit, labels, rejected, images=images)
    (output / "job.json").write_text(identity.model_dump_json())
    plan = Plan((shard,), (), ())
    return write_commit(fs, str(output), identity, plan, {part.path: part}, [unit])


def rejected_row(image_id: str, reason: str, message: str) -> dict[str, Any]:
    """One rejected row."""
    return {
        "image_id": image_id,
        "uri": f"/gone/{image_id}",
        "reason": reason,
        "message": message,
        "bytes_sha256": hashlib.sha256(b"").hexdigest(),
        "bytes": 0,
        "job_fingerprint": "f" * 64,
    }
