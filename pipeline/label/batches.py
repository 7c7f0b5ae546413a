"""A batch of images becomes predictions, whatever one image or the device does to it.

An error of one image is that image's; one of the device ends the process, since all that a broken
CUDA context computes afterwards fails too, and would be written down as labels.
"""

import logging
import os
from collections.abc import Callable, Sequence
from typing import NoReturn, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor

from model.networks.device import is_out_of_memory
from model.segmenter import Beginner, Prediction, Segmenter
from schemas.errors import ImageRejected

EXIT_CODE = 71  # EX_OSERR of sysexits.h; Ray restarts the actor whatever the code
_LOG = logging.getLogger(__name__)

# RuntimeError is torch's own, torch.OutOfMemoryError included.
FAULTS = (RuntimeError, MemoryError, ValueError)

P = ParamSpec("P")
R = TypeVar("R")
Outcome = tuple[Prediction, ...] | ImageRejected


class Batches:
    """Segments batches; after one ran out of memory, at most the number of images that fitted."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._most: int | None = None
        self._beginner: Beginner | None = None
        if isinstance(segmenter, Beginner) and segmenter.begins:
            self._beginner = segmenter

    @property
    def overlap(self) -> bool:
        """Whether a batch had better be begun before the last one is waited for."""
        return self._beginner is not None

    def begin(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None]
    ) -> Callable[[], list[Outcome]]:
        """Ask for what `segment` returns, and return what waits for it."""
        if self._beginner is None or not 0 < len(images) <= (self._most or len(images)):
            outcomes = self.segment(images, embeddings)
            return lambda: outcomes
        begun = _tried(self._beginner.begin, images, embeddings)
        if isinstance(begun, Exception):
            failed = self._settled(lambda: self._after(begun, images, embeddings))
            return lambda: failed

        def wait() -> list[Outcome]:
            found = _tried(begun)
            if isinstance(found, Exception):
                return self._settled(lambda: self._after(found, images, embeddings))
            return list(found)

        return wait

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None]
    ) -> list[Outcome]:
        """Segment a batch; where it fails, halve it down to the image that cannot be segmented."""
        step = self._most or max(1, len(images))
        parts = [slice(first, first + step) for first in range(0, len(images), step)]
        return self._settled(
            lambda: [one for part in parts for one in self._part(images[part], embeddings[part])]
        )

    def _settled(self, ask: Callable[[], list[Outcome]]) -> list[Outcome]:
        most, outcomes = self._most, ask()
        if any(getattr(one, "reason", None) == "out-of-memory" for one in outcomes):
            self._most = most  # it was that image, and not how many there were
        return outcomes

    def _part(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None]
    ) -> list[Outcome]:
        found = _tried(self._segmenter.segment, images, embeddings)
        if isinstance(found, Exception):
            return self._after(found, images, embeddings)
        return list(found)

    def _after(
        self,
        fault: Exception,
        images: Sequence[np.ndarray],
        embeddings: Sequence[Tensor | None],
    ) -> list[Outcome]:
        """Segment the halves of a batch that failed, or say why its only image did."""
        reason = "out-of-memory" if is_out_of_memory(fault) else "model"
        if len(images) == 1:
            return [ImageRejected(reason, f"{type(fault).__name__}: {fault}")]
        half = len(images) // 2
        if reason == "out-of-memory":
            # Of the two halves the greater one; where that does not fit either, it says so itself.
            self._most = min(self._most or len(images), len(images) - half)
        return [
            *self._part(images[:half], embeddings[:half]),
            *self._part(images[half:], embeddings[half:]),
        ]


def _tried(ask: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | Exception:
    """Return what a segmenter answers, or its fault; end the process where the device is broken.

    The fault comes without a traceback, whose frames hold all that the call had in memory.
    """
    try:
        return ask(*args, **kwargs)
    except torch.AcceleratorError:
        _end_process()
    except FAULTS as error:
        error.__context__ = error.__cause__ = None
        return error.with_traceback(None)


def _end_process() -> NoReturn:
    """End at once: the note of the attempt (pipeline/output/attempts.py) finds the image."""
    _LOG.exception("the device is broken; this process ends, and another one goes on")
    logging.shutdown()
    os._exit(EXIT_CODE)
