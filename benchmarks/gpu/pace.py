"""Encoded photos go through a segmenter for some seconds, as in a labeling actor: images a second.

Decoding, the model and the encoding of masks overlap, and are of the product.
"""

import io
import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from PIL import Image
from torch import Tensor

from benchmarks.parts.vrp_job import SIZE_HW, photo
from model.masks.upsample import mask_at
from model.segmenter import Prediction, Segmenter
from pipeline.images.decode import DecodedImage, decode_image
from pipeline.masks.runs import encode_rle
from schemas.job.compute import Limits

DIFFERENT_PHOTOS = 16
WARM_UP_BATCHES = 2
BATCHES_AHEAD = 2
ENCODERS = 2
MOST_ENCODING = 64
"""Images whose masks wait for a thread, as their logits take memory: then the model waits too."""


@dataclass(frozen=True)
class Pace:
    """Images a second, and the share of the time in which the model had no batch."""

    images_per_s: float
    idle: float


def pace(
    segmenter: Segmenter,
    stored: list[Tensor] | None,
    batch: int,
    threads: int,
    seconds: float,
    *,
    trained: bool = False,
) -> Pace:
    """Label photos with so many decoding threads for so long; stored are their embeddings.

    Random weights put an edge at every pixel, whose run lengths take 20 times those of an object:
    unless the networks are trained, what is encoded of a mask is a drawn one.
    """
    encode = runs_of if trained else runs_of_drawn
    with ThreadPoolExecutor(threads) as decoders, ThreadPoolExecutor(ENCODERS) as encoders:
        runs = Runs(segmenter, stored, decoders, encoders, encode)
        runs.go_on(batch, WARM_UP_BATCHES, 0.0)
        return runs.go_on(batch, 1, seconds)


class Runs:
    """What a pace is measured of."""

    def __init__(
        self,
        segmenter: Segmenter,
        stored: list[Tensor] | None,
        decoders: ThreadPoolExecutor,
        encoders: ThreadPoolExecutor,
        encode: Callable[[tuple[Prediction, ...]], list[object]],
    ) -> None:
        self._segmenter, self._stored = segmenter, stored
        self._decoders, self._encoders, self._encode = decoders, encoders, encode
        self._photos = [jpeg(photo(n)) for n in range(DIFFERENT_PHOTOS)]

    def go_on(self, batch: int, least_batches: int, seconds: float) -> Pace:
        """Label so many batches, and more until the seconds are over; wait for the last mask."""
        ahead = self._decoded(batch)
        encoding: list[Future[list[object]]] = []
        busy, images = 0.0, 0
        begun = time.perf_counter()
        while images < least_batches * batch or time.perf_counter() - begun < seconds:
            numbers, pixels = next(ahead)
            embeddings = [self._stored[n] for n in numbers] if self._stored else None
            start = time.perf_counter()
            predictions = self._segmenter.segment(pixels, embeddings)
            busy += time.perf_counter() - start
            images += len(numbers)
            encoding += [self._encoders.submit(self._encode, one) for one in predictions]
            while len(encoding) > MOST_ENCODING:
                encoding.pop(0).result()
        for future in encoding:
            future.result()
        taken = time.perf_counter() - begun
        return Pace(images / taken, 1 - busy / taken)

    def _decoded(self, batch: int) -> Iterator[tuple[list[int], list[np.ndarray]]]:
        """Yield batches without end: numbers of photos and their pixels, decoded ahead."""
        numbers = itertools.cycle(range(DIFFERENT_PHOTOS))
        batches = (list(itertools.islice(numbers, batch)) for _ in itertools.count())
        ahead: list[tuple[list[int], list[Future[DecodedImage]]]] = []
        for numbers_of_batch in batches:
            decoding = [
                self._decoders.submit(decode_image, self._photos[n], Limits())
                for n in numbers_of_batch
            ]
            ahead.append((numbers_of_batch, decoding))
            if len(ahead) > BATCHES_AHEAD:
                first, futures = ahead.pop(0)
                yield first, [future.result().pixels_HW3 for future in futures]


def runs_of(predictions: tuple[Prediction, ...]) -> list[object]:
    """Return an image's masks as the product stores them."""
    return [encode_rle(mask_at(one, SIZE_HW, 0.0)) for one in predictions]


def runs_of_drawn(predictions: tuple[Prediction, ...]) -> list[object]:
    """Return run lengths of as many drawn masks, from logits of the predictions' size."""
    side = len(predictions[0].logits_hw)
    return runs_of(tuple(replace(one, logits_hw=drawn_logits(side)) for one in predictions))


@cache
def drawn_logits(side: int) -> np.ndarray:
    """Return the logits of an uneven ellipse over a seventh of the image: [side, side]."""
    y, x = np.mgrid[:side, :side] / side - 0.5
    uneven = 0.02 * np.sin(9 * np.arctan2(y, x))
    noise = np.random.default_rng(0).normal(0, 0.5, (side, side))
    return (100 * (0.23 + uneven - np.hypot(x, 1.2 * y)) + noise).astype(np.float32)


def jpeg(image_HW3: np.ndarray) -> bytes:
    """Return an image as a JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(image_HW3).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
