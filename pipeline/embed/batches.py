"""A batch of images becomes embeddings, in halves where it does not fit into memory."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from model.networks.device import is_out_of_memory
from model.networks.halves import Halves, without_frames
from schemas.errors import ImageRejected


class Embedder(Protocol):
    """Embeds uint8 RGB images [H, W, 3]."""

    def embed(self, images: Sequence[np.ndarray]) -> list[np.ndarray]: ...


class Batches:
    """Embeds batches; after one ran out of memory, at most the number of images that fitted."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._halves = Halves(self._tried)

    def embed(self, images: Sequence[np.ndarray]) -> list[np.ndarray | ImageRejected]:
        """Embed a batch; an image that does not fit alone is rejected, all other faults rise."""
        return self._halves.answers(images)

    def _tried(self, images: Sequence[np.ndarray]) -> list[np.ndarray] | Exception:
        try:
            return self._embedder.embed(images)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return without_frames(error)
