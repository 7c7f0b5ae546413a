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

from model.networks.halves import Halves, without_frames
from model.segmenter import Beginner, Prediction, Segmenter
from schemas.errors import ImageRejected

EXIT_CODE = 71  # EX_OSERR of sysexits.h; Ray restarts the actor whatever the code
_LOG = logging.getLogger(__name__)

# RuntimeError is torch's own, torch.OutOfMemoryError included.
FAULTS = (RuntimeError, MemoryError, ValueError)

P = ParamSpec("P")
R = TypeVar("R")
Outcome = tuple[Prediction, ...] | ImageRejected
Pair = tuple[np.ndarray, Tensor | None]
"""An image, and its stored embedding."""


class Batches:
    """Segments batches; after one ran out of memory, at most the number of images that fitted."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._halves = Halves(self._segmented)
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
        pairs = list(zip(images, embeddings, strict=True))
        if self._beginner is None or not self._halves.fits(pairs):
            outcomes = self._halves.answers(pairs)
            return lambda: outcomes
        begun = _tried(self._beginner.begin, images, embeddings)
        if isinstance(begun, Exception):
            failed = self._halves.after(begun, pairs)
            return lambda: failed

        def wait() -> list[Outcome]:
            found = _tried(begun)
            if isinstance(found, Exception):
                return self._halves.after(found, pairs)
            return list(found)

        return wait

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None]
    ) -> list[Outcome]:
        """Segment a batch; where it fails, halve it down to the image that cannot be segmented."""
        return self._halves.answers(list(zip(images, embeddings, strict=True)))

    def _segmented(self, pairs: Sequence[Pair]) -> list[tuple[Prediction, ...]] | Exception:
        images, embeddings = [image for image, _ in pairs], [stored for _, stored in pairs]
        return _tried(self._segmenter.segment, images, embeddings)


def _tried(ask: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | Exception:
    """Return what a segmenter answers, or its fault; end the process where the device is broken."""
    try:
        return ask(*args, **kwargs)
    except torch.AcceleratorError:
        _end_process()
    except FAULTS as error:
        return without_frames(error)


def _end_process() -> NoReturn:
    """End at once: the note of the attempt (pipeline/output/attempts.py) finds the image."""
    _LOG.exception("the device is broken; this process ends, and another one goes on")
    logging.shutdown()
    os._exit(EXIT_CODE)
