"""Turn the files of images into JPEGs for the screen, large and small, a bounded number kept."""

import io
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

from pipeline.images.decode import decode_image
from pipeline.images.labelled import decode_labelled, limits_of_label
from pipeline.inputs.address import open_place, split_uri
from pipeline.inputs.read_again import read_again
from pipeline.report.pictures import outline
from schemas.errors import BadStorage, ImageRejected
from schemas.job.compute import Limits
from schemas.job.source import Source
from schemas.job.storage import Storage

SIDE_PX = 2048  # of a large screen; masks keep the image's own pixels
KEPT = 64  # pictures of at most 1 MB: those around the one on screen
SMALL_PX = 240
SMALL_KEPT = 4096  # of some 10 kB
AT_ONCE = 4  # images in memory as pixels, however many the page asks for: 0.3 GB each at most


@dataclass(frozen=True)
class Picture:
    """An image as displayed, scaled down where it was large, and its own size."""

    jpeg: bytes
    size_HW: tuple[int, int]


class Pictures:
    """Images of one storage, by URI; both methods raise ImageRejected with the reason.

    Of a label's image, its size tells another one that lies there by now.
    """

    def __init__(self, storage: Storage, source: Source | None, limits: Limits) -> None:
        """Images inside Parquet files are shown where their source is known."""
        self._storage, self._source, self._limits = storage, source, limits
        self._room = threading.BoundedSemaphore(AT_ONCE)
        self.picture = lru_cache(KEPT)(self._picture)
        self.small = lru_cache(SMALL_KEPT)(self._small)

    def _picture(self, uri: str, label_HW: tuple[int, int] | None = None) -> Picture:
        with self._room:
            read_from = self._storage, self._source
            pixels_HW3 = read_pixels(uri, *read_from, self._limits, label_HW)
            return Picture(_jpeg(Image.fromarray(pixels_HW3), SIDE_PX), pixels_HW3.shape[:2])

    def _small(self, uri: str, label_HW: tuple[int, int] | None = None) -> bytes:
        return _jpeg(Image.open(io.BytesIO(self.picture(uri, label_HW).jpeg)), SMALL_PX)


def read_pixels(
    uri: str,
    storage: Storage,
    source: Source | None,
    limits: Limits,
    label_HW: tuple[int, int] | None = None,
) -> np.ndarray:
    """Read and decode an image: uint8 RGB [H, W, 3], as displayed.

    Raises ImageRejected, for another size than a label's too.
    """
    if label_HW is not None:
        limits = limits_of_label(label_HW, limits)
    _, member = split_uri(uri)
    try:
        size = 0 if member else open_place(uri, storage).size() or 0
    except BadStorage:
        size = 0  # read_again says what is wrong
    if size > limits.max_bytes:
        # Before it is read: what a job refuses need not fit into memory here.
        raise ImageRejected("too-large", f"{size} bytes; the limit is {limits.max_bytes}")
    ((_, read),) = read_again([uri], storage, source)
    if isinstance(read, str):
        raise ImageRejected("missing", read)
    if label_HW is not None:
        return decode_labelled(read, label_HW, limits)
    return decode_image(read, limits).pixels_HW3


def _jpeg(image: Image.Image, side_px: int) -> bytes:
    image.thumbnail((side_px, side_px), Image.Resampling.BICUBIC, reducing_gap=3)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def with_masks(picture: Image.Image, masks: Iterable[tuple[Any, str]]) -> bytes:
    """Return a JPEG of a small picture with masks over it, (COCO RLE, colour) each."""
    for runs, colour in masks:
        picture = outline(picture, runs, colour)
    return _jpeg(picture, SIDE_PX)
