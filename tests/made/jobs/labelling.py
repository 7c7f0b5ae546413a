"""Labeling jobs of four references over nano networks with random weights."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from schemas.job.label import LabelJob
from tests.made.pixels.photos import photo


def four_references(folder: Path) -> list[dict[str, Any]]:
    """Write two images; return a mask, points, a box and scribbles on them, two a category."""
    (folder / "a.jpg").write_bytes(photo(1000))
    (folder / "b.jpg").write_bytes(photo(1001, (80, 50)))
    mask = np.zeros((44, 60), np.uint8)
    mask[10:30, 10:40] = 255
    Image.fromarray(mask).save(folder / "a.png")
    return [
        {
            "category": "cat",
            "image": str(folder / "a.jpg"),
            "annotation": {"type": "mask", "uri": str(folder / "a.png")},
        },
        {
            "category": "cat",
            "image": str(folder / "b.jpg"),
            "annotation": {"type": "points", "points": [[5, 5], [40, 20]]},
        },
        {
            "category": "cow",
            "image": str(folder / "a.jpg"),
            "annotation": {"type": "box", "xyxy": [3, 4, 30, 40]},
        },
        {
            "category": "cow",
            "image": str(folder / "b.jpg"),
            "annotation": {"type": "scribbles", "strokes": [[[1, 1], [30, 30]]]},
        },
    ]


def job_of(
    targets: dict[str, Any], output: str, references: list[dict[str, Any]], **changes: Any
) -> LabelJob:
    nano = {"type": "nano", "weights": "random:1"}
    return LabelJob.model_validate(
        {
            "targets": targets,
            "references": references,
            "method": {"type": "vrp", "weights": "random:2", "sam": nano, "backbone": nano},
            "output": {"uri": output},
            "allow_random_weights": True,
            "compute": {
                "images_per_unit": 3,
                "batch_size": 2,
                "precision": "fp32",
                "actors": {"min": 1, "max": 1},
                "read_tasks": 1,
            },
            **changes,
        }
    )
