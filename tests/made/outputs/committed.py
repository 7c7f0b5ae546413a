"""Commit labels we know, through the product's own sink."""

from typing import Any, Literal

import numpy as np

from pipeline.output.commit import write_commit
from pipeline.output.paths import JOB
from pipeline.output.plan import Plan, extend_plan
from pipeline.output.unit import UnitName, write_unit
from pipeline.storage.place import Place
from schemas.job.reference import Category
from schemas.job.storage import Storage
from schemas.record.commit import Commit, Identity, Shard
from tests.made.data.datasets import rle_of

Kind = Literal["images", "webdataset", "parquet", "coco"]
COCO_FOLDER = "s3://b/val"
CATEGORIES = (Category(id=3, name="cat"), Category(id=18, name="dog"))


def label_rows(
    image_id: str, masks: dict[str, np.ndarray], uri: str = "", score: float = 0.75
) -> list[dict[str, Any]]:
    """One row per category; an empty mask is a row with status `empty`."""
    rows = []
    for category in CATEGORIES:
        mask_HW = masks[category.name]
        row_indices, columns = np.nonzero(mask_HW)
        box = [0.0] * 4
        if mask_HW.any():
            left, top = int(columns.min()), int(row_indices.min())
            box = [left, top, int(columns.max()) + 1 - left, int(row_indices.max()) + 1 - top]
        rows.append(
            {
                "image_id": image_id,
                "uri": uri or f"/photos/{image_id}",
                "height": mask_HW.shape[0],
                "width": mask_HW.shape[1],
                "exif_orientation": 1,
                "category_id": category.id,
                "category": category.name,
                "status": "labelled" if mask_HW.any() else "empty",
                "rle_counts": rle_of(mask_HW)["counts"],
                "box_xywh": box,
                "area_px": int(mask_HW.sum()),
                "score": score,
                "stability": 0.5,
                "references": ["0123456789ab"],
                "job_fingerprint": "f",
                "model_fingerprint": "m",
                "random_weights": False,
            }
        )
    return rows


def rejected_row(image_id: str) -> dict[str, Any]:
    """A row of an image that could not be decoded."""
    return {
        "image_id": image_id,
        "uri": f"/photos/{image_id}",
        "reason": "decode",
        "message": "not an image",
        "bytes_sha256": "",
        "bytes": 0,
        "job_fingerprint": "f",
    }


def commit_units(
    output: str,
    units: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]],
    source: Kind = "images",
    random_weights: tuple[str, ...] = (),
    storage: Storage | None = None,
    fields: dict[str, str] | None = None,
) -> Commit:
    """Write units of (label rows, rejected rows), each as the whole of one shard, and commit."""
    folder = Place.open(output, storage or Storage())
    identity = Identity(
        fingerprint="f",
        model_fingerprint="m",
        fields=fields or {},
        categories=CATEGORIES,
        source=source,
        random_weights=random_weights,
    )
    folder.below(JOB).replace(identity.model_dump_json().encode())
    # Later shards get smaller ids: the commit's order is the plan's, and not the names'.
    ids = [f"{len(units) - number:016x}" for number in range(len(units))]
    names = []
    for shard_id, (labels, rejected) in zip(ids, units, strict=True):
        names.append(UnitName(shard_id, 0, True))
        images = len({row["image_id"] for row in labels}) + len(rejected)
        write_unit(folder, names[-1], labels, rejected, images=images)
    shards = tuple(
        Shard(id=i, kind="tar", name=i, uri=f"/in/{i}.tar", size_bytes=1, images_per_unit=4096)
        for i in ids
    )
    if source == "coco":
        shards = tuple(
            _listed(shard, [*labels, *rejected])
            for shard, (labels, rejected) in zip(shards, units, strict=True)
        )
        extend_plan(folder, shards)
    plan = Plan(shards=shards, new=(), vanished=())
    return write_commit(folder, identity, plan, {}, names)


def _listed(shard: Shard, rows: list[dict[str, Any]]) -> Shard:
    """Plan the images of rows, which lie below COCO_FOLDER, as a list."""
    images = {row["image_id"]: row["uri"] for row in rows}
    return shard.model_copy(
        update={"kind": "images", "uri": COCO_FOLDER, "images": tuple(images.items())}
    )
