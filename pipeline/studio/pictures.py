"""Turn the files of images into JPEGs for the screen, large and small, a bounded number kept."""

import io
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from pipeline.images.decode import decode_image
from pipeline.inputs.read_again import read_again
from schemas.errors import ImageRejected
from schemas.job.compute import Limits
from schemas.job.storage import Storage

SIDE_PX = 2048  # of a large screen; masks keep the image's own pixels
KEPT = 64  # pictures of at most 1 MB: those around the one on screen
SMALL_PX = 240
SMALL_KEPT = 4096  # of some 10 kB


@dataclass(frozen=True)
class Picture:
    """An image as displayed, scaled down where it was large, and its own size."""

    jpeg: bytes
    size_HW: tuple[int, int]


class Pictures:
    """Images of one storage, by URI; both methods raise ImageRejected with the reason."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.picture = lru_cache(KEPT)(self._picture)
        self.small = lru_cache(SMALL_KEPT)(self._small)

    def _picture(self, uri: str) -> Picture:
        ((_, read),) = read_again([uri], self._storage)
        if isinstance(read, str):
            raise ImageRejected("missing", read)
        pixels_HW3 = decode_image(read, Limits()).pixels_HW3
        return Picture(_jpeg(Image.fromarray(pixels_HW3), SIDE_PX), pixels_HW3.shape[:2])

    def _small(self, uri: str) -> bytes:
        return _jpeg(Image.open(io.BytesIO(self.picture(uri).jpeg)), SMALL_PX)


def _jpeg(image: Image.Image, side_px: int) -> bytes:
    image.thumbnail((side_px, side_px), Image.Resampling.BICUBIC, reducing_gap=3)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
