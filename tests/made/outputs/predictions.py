"""Predictions at an image's own size, and what their rows depend on."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from model.segmenter import Prediction
from pipeline.label.rows import RowContext
from schemas.job.label import Components, Thresholds
from schemas.record.commit import Identity
from tests.made.outputs.committed import CATEGORIES

IDENTITY = Identity(
    fingerprint="f",
    model_fingerprint="m",
    fields={},
    categories=CATEGORIES,
    source="images",
    random_weights=(),
)
KEEP = RowContext(IDENTITY, {3: ("r",), 18: ("r",)}, Thresholds())
SPLIT = replace(KEEP, instances=Components(by="components"))


def predicted(
    category_id: int,
    mask_HW: np.ndarray,
    score: float = 0.9,
    logit: float = 2.0,
    signals: Mapping[str, float] | None = None,
) -> Prediction:
    """Logits of the image's own size: no pixel is interpolated."""
    logits = np.where(mask_HW, logit, -9).astype(np.float32)
    return Prediction(category_id, logits, score, "squash", presence=0.5, signals=signals)
