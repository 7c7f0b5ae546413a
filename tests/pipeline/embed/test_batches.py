"""A batch that does not fit into memory is embedded in parts; an image alone is rejected."""

import weakref
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from pipeline.embed.batches import Batches
from schemas.errors import ImageRejected

GREYS = [np.full((2, 2, 3), grey, np.uint8) for grey in range(8)]
TOO_LARGE = np.zeros((9, 9, 3), np.uint8)


class Held:
    """What a call has in memory."""


class SmallMemory:
    """Embeds an image as its grey, up to four at a time, once what was in memory is let go of."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self._held: weakref.ref[Held] | None = None

    def embed(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        assert self._held is None or self._held() is None, "what failed is still in memory"
        held = Held()
        self._held = weakref.ref(held)
        self.asked.append(len(images))
        if len(images) > 4 or any(image is TOO_LARGE for image in images):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [image[0, 0, :1] for image in images]


def test_a_batch_that_does_not_fit_is_embedded_in_halves_and_the_next_at_their_size() -> None:
    embedder = SmallMemory()
    batches = Batches(embedder)
    assert [int(found[0]) for found in map(np.asarray, batches.embed(GREYS))] == list(range(8))
    assert embedder.asked == [8, 4, 4]
    batches.embed(GREYS)
    assert embedder.asked == [8, 4, 4, 4, 4]


def test_an_image_that_does_not_fit_alone_is_rejected_and_all_others_are_embedded() -> None:
    embedder = SmallMemory()
    batches = Batches(embedder)
    outcomes = batches.embed([GREYS[0], TOO_LARGE, GREYS[2], GREYS[3]])
    faults = [one for one in outcomes if isinstance(one, ImageRejected)]
    assert [type(one) for one in outcomes].index(ImageRejected) == 1
    assert [fault.reason for fault in faults] == ["out-of-memory"]
    embedder.asked.clear()
    batches.embed(GREYS[:4])
    assert embedder.asked == [4]


def test_any_other_fault_rises() -> None:
    class Broken:
        def embed(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        Batches(Broken()).embed(GREYS)


def test_no_image_at_all_is_not_asked_about() -> None:
    embedder = SmallMemory()
    assert Batches(embedder).embed([]) == []
    assert embedder.asked == []
