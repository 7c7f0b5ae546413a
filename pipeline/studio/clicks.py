"""Turn clicks on an image into a mask, with the SAM of a job whose weights are on this machine."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from pipeline.masks.runs import encode_rle, run_lengths
from pipeline.review.pictures import read_pixels
from pipeline.weights.fetch import is_at_hand
from schemas.errors import BadInput
from schemas.job.compute import Limits
from schemas.job.method import Method, Vrp
from schemas.job.networks import Sam
from schemas.job.source import Source
from schemas.job.storage import Storage
from schemas.job.weights import random_seed, weights_of
from schemas.spec import Spec

if TYPE_CHECKING:
    from model.clicks import ClickedSam, Embedded

EMBEDDED_KEPT = 16  # of 4 MB each, for SAM's published sizes; of `lite` up to 18


Pixel = Annotated[float, Field(ge=-(2**31), le=2**31)]
"""A place of a click: beside an image perhaps, but no infinity in SAM's float32."""


class Asked(Spec):
    """Points on the object and off it, and a box around it, in pixels of the image."""

    points: Annotated[tuple[tuple[Pixel, Pixel], ...], Field(max_length=100)] = ()
    on: tuple[bool, ...] = ()
    box: tuple[Pixel, Pixel, Pixel, Pixel] | None = None

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if len(self.points) != len(self.on) or not (self.points or self.box):
            raise ValueError("wanted a point or a box, and of each point whether it is on")
        return self


class Clicks:
    """SAM, loaded at the first click; its method may be called by many threads."""

    def __init__(
        self, spec: Sam | Vrp, storage: Storage, source: Source | None, limits: Limits
    ) -> None:
        self.spec, self._storage, self._source, self._limits = spec, storage, source, limits
        self._sam: ClickedSam | None = None
        self._embedded = lru_cache(EMBEDDED_KEPT)(self._embed)
        self._lock = threading.Lock()

    def runs(self, uri: str, asked: Asked, label_HW: tuple[int, int] | None = None) -> list[int]:
        """Return the mask as run lengths down the columns.

        Raises ImageRejected, of a label's image for another size too, and BadWeights.
        """
        with self._lock:  # one model, and as many threads as torch wants
            image = self._embedded(uri, label_HW)
            mask_HW = self._loaded().mask(image, asked.points, asked.on, asked.box)
        return run_lengths(encode_rle(mask_HW)["counts"])

    def load_ahead(self) -> None:
        """Begin to load SAM in a thread of its own, so that the first click need not wait.

        Not random weights: they are drawn from a generator that a try beside it draws from too.
        """
        if any(random_seed(weights) is not None for weights in weights_of(self.spec).values()):
            return

        def load() -> None:
            with self._lock, suppress(BadInput):  # the first click says what is wrong
                self._loaded()

        threading.Thread(target=load, daemon=True).start()

    def _embed(self, uri: str, label_HW: tuple[int, int] | None) -> Embedded:
        pixels_HW3 = read_pixels(uri, self._storage, self._source, self._limits, label_HW)
        return self._loaded().embed(pixels_HW3)

    def _loaded(self) -> ClickedSam:
        if self._sam is None:
            # torch takes seconds to import, and a page of labels needs none of it.
            from model.clicks import ClickedSam  # noqa: PLC0415
            from pipeline.weights.of_method import local_method  # noqa: PLC0415

            self._sam = ClickedSam(local_method(self.spec, self._storage), "cpu")
        return self._sam


def clicks_of(
    method: Method, storage: Storage, source: Source | None, limits: Limits
) -> Clicks | None:
    """Return what answers clicks, None unless the weights are here: a page fetches nothing.

    That is SAM, and with SAM `lite` the method's VRP encoder where that is here too.
    """
    specs: list[Sam | Vrp] = [method.sam]
    if isinstance(method, Vrp) and method.sam.type == "lite":
        specs.insert(0, method)
    for spec in specs:
        if all(is_at_hand(weights) for weights in weights_of(spec).values()):
            return Clicks(spec, storage, source, limits)
    return None
