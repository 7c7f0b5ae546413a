"""Replace the model of a benchmark's actors by a sleep; everything around it stays the product's.

The benchmark names `install` as Ray's worker_process_setup_hook, so the product needs no switch.
"""

import os
import time
from collections.abc import Sequence

import numpy as np
from torch import Tensor

import pipeline.label.actor
from model.segmenter import Prediction

SECONDS_PER_IMAGE = "VRP_BENCHMARK_SECONDS_PER_IMAGE"
SIDE = 64  # of a mask's logits: encoding it costs little, as on a machine with cores to spare


class SleepingSegmenter:
    """Takes as long as it is told and returns one mask an image."""

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        """Sleep for the batch and return a disc for category 1 of each image."""
        del embeddings
        time.sleep(len(images) * float(os.environ[SECONDS_PER_IMAGE]))
        return [(Prediction(1, _disc(), 0.9, "squash"),) for _ in images]


def _disc() -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    return (SIDE / 4 - np.hypot(y, x)).astype(np.float32)


def install() -> None:
    """Run in every worker of the benchmark's cluster."""
    pipeline.label.actor.load_method = lambda *_: lambda *_: SleepingSegmenter()
