"""A batch of images becomes embeddings, in halves where it does not fit into memory."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from model.networks.device import is_out_of_memory
from schemas.errors import ImageRejected


class Embedder(Protocol):
    """Embeds uint8 RGB images [H, W, 3]."""

    def embed(self, images: Sequence[np.ndarray]) -> list[np.ndarray]: ...


class Batches:
    """Embeds batches; after one ran out of memory, at most the number of images that fitted."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._most: int | None = None

    def embed(self, images: Sequence[np.ndarray]) -> list[np.ndarray | ImageRejected]:
        """Embed a batch; an image that does not fit alone is rejected, all other faults rise."""
        most = self._most
        step = most or max(1, len(images))
        parts = [images[first : first + step] for first in range(0, len(images), step)]
        outcomes = [one for part in parts for one in self._part(part)]
        if any(isinstance(one, ImageRejected) for one in outcomes):
            self._most = most  # it was that image, and not how many there were
        return outcomes

    def _part(self, images: Sequence[np.ndarray]) -> list[np.ndarray | ImageRejected]:
        try:
            return list(self._embedder.embed(images))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            said = f"{type(error).__name__}: {error}"
        # Only here has the fault let go of all that the call had in memory.
        if len(images) == 1:
            return [ImageRejected("out-of-memory", said)]
        half = len(images) // 2
        self._most = min(self._most or len(images), len(images) - half)
        return [*self._part(images[:half]), *self._part(images[half:])]
