"""A small commit exported to COCO, and the file as pycocotools opens it."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from pipeline.export.coco import export_coco
from schemas.job.storage import Storage
from tests.made.data.datasets import filled
from tests.made.outputs.committed import label_rows, rejected_row

EMPTY = np.zeros((80, 100), bool)
BIG, SMALL = filled((8, 8, 68, 68)), filled((70, 80, 78, 90))
UNITS = [
    (label_rows("b/1.jpg", {"cat": BIG, "dog": SMALL}), [rejected_row("b/2.jpg")]),
    (
        label_rows("a/1.jpg", {"cat": EMPTY, "dog": EMPTY})
        + label_rows("a/2.jpg", {"cat": SMALL, "dog": EMPTY}),
        [],
    ),
]


def exported(output: Path, to: Path) -> dict[str, Any]:
    export_coco(str(output), Storage(), str(to))
    return json.loads(to.read_text())


def opened(path: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))
