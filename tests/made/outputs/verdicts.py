"""Verdicts as a reviewer in the studio would have written them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from pipeline.masks.runs import encode_rle
from pipeline.output.verdicts import Verdicts
from pipeline.storage.place import Place
from schemas.job.reference import Category
from schemas.job.storage import Storage
from schemas.record.verdict import Verdict
from tests.made.outputs.labels import DOG, NOTHING, SIDE


def say(
    output: str,
    image: str,
    verdict: Verdict,
    category: Category = DOG,
    mask_HW: np.ndarray = NOTHING,
    fingerprint: str = "f",
) -> None:
    """Write one verdict, later than those before; it took 2 seconds."""
    verdicts = Verdicts(Place.open(output, Storage()), fingerprint)
    verdicts.refresh()
    counts = encode_rle(mask_HW)["counts"] if verdict == "corrected" else ""
    at = datetime.now(UTC) + timedelta(seconds=len(verdicts.newest))
    said: dict[str, Any] = {
        "image_id": image, "category_id": category.id, "verdict": verdict, "height": SIDE,
        "width": SIDE, "rle_counts": counts, "reviewer": "ann", "at": at, "seconds": 2.0,
        "job_fingerprint": fingerprint,
    }  # fmt: skip
    verdicts.write("ann", [said])
