"""Evaluations over drawn shapes, and methods whose masks are known before they are asked."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from model.segmenter import LoadedReference, Prediction
from schemas.job.evaluate import EvaluateJob

NANO = {
    "vrp": {
        "type": "vrp",
        "weights": "random:1",
        "sam": {"type": "nano", "weights": "random:2"},
        "backbone": {"type": "nano", "weights": "random:3"},
        "queries": 4,
    },
    "persam": {"type": "persam", "sam": {"type": "nano", "weights": "random:2"}},
}


def a_job(folder: Path, dataset: dict[str, Any], **changes: Any) -> EvaluateJob:
    """Return a job with its index and output below folder; random nano weights."""
    return EvaluateJob.model_validate(a_document(folder, dataset, **changes))


def a_document(folder: Path, dataset: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a job as YAML says it."""
    document: dict[str, Any] = {
        "dataset": dataset,
        "index": str(folder / "index"),
        "methods": NANO,
        "episodes_per_fold": 12,
        "resamples": 20,
        "output": {"uri": str(folder / "out")},
        "allow_random_weights": True,
    }
    return {**document, **changes}


class Drawn:
    """Methods, each a function from an image to the mask it answers, whatever the references."""

    def __init__(self, **masks: Callable[[np.ndarray], np.ndarray]) -> None:
        self._masks = masks
        self.studied: list[tuple[str, Sequence[LoadedReference]]] = []

    def study(self, name: str, references: Sequence[LoadedReference]) -> "Answering":
        """Note the references, and return a segmenter that ignores them."""
        self.studied.append((name, references))
        return Answering(self._masks[name], references[0].category_id)


class Answering:
    """A segmenter that answers one function's mask; logits at the mask's own size."""

    def __init__(self, mask: Callable[[np.ndarray], np.ndarray], category_id: int) -> None:
        self._mask = mask
        self._category_id = category_id

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        """Answer +8 inside the mask and -8 outside."""
        return [
            (
                Prediction(
                    self._category_id,
                    np.where(self._mask(image), 8.0, -8.0).astype(np.float32),
                    score=0.5,
                    frame="squash",
                    presence=float(self._mask(image).mean()),
                ),
            )
            for image in images
        ]
