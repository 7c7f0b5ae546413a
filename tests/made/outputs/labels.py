"""Label rows and true masks of squares in 40 x 40 images, for tests that count pixels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.job.reference import Category
from schemas.record.row import LABEL_SCHEMA
from tests.made.data.datasets import filled, rle_of
from tests.made.outputs.committed import CATEGORIES, label_rows

SIDE = 40
CAT, DOG = CATEGORIES


def square(left: int, top: int, side: int) -> np.ndarray:
    """A bool mask [40, 40] with a filled square."""
    return filled((top, left, top + side, left + side), (SIDE, SIDE))


NOTHING = square(0, 0, 0)


def row(
    image_id: str, category: Category, mask_HW: np.ndarray, score: float = 0.9, uri: str = "x.png"
) -> dict[str, Any]:
    """One label row with the given mask; an empty one has status `empty`."""
    rows = label_rows(image_id, {c.name: mask_HW for c in CATEGORIES}, uri, score)
    return next(one for one in rows if one["category_id"] == category.id)


def table(*rows: dict[str, Any]) -> pa.Table:
    """Rows as the parts hold them."""
    return pa.Table.from_pylist(list(rows), schema=LABEL_SCHEMA)


def instances(path: Path, images: dict[str, dict[str, list[np.ndarray]]]) -> str:
    """Write a COCO instances file: file name -> category name -> masks; return its path.

    Its ids are its own: images from 100, dog 3, cat 4 and another category 5.
    """
    ids = {"dog": 3, "cat": 4, "x": 5}
    annotations = [
        {
            "image_id": number,
            "category_id": ids[name],
            "iscrowd": 0,
            "segmentation": rle_of(mask_HW),
        }
        for number, shown in enumerate(images.values(), start=100)
        for name, masks in shown.items()
        for mask_HW in masks
    ]
    document = {
        "images": [
            {"id": number, "file_name": name, "height": SIDE, "width": SIDE}
            for number, name in enumerate(images, start=100)
        ],
        "annotations": [{"id": number} | entry for number, entry in enumerate(annotations)],
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
    }
    path.write_text(json.dumps(document))
    return str(path)
