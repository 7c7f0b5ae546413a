"""Turn the file of a labelled image into a JPEG for the screen, a bounded number kept."""

import io
from functools import lru_cache

from PIL import Image

from pipeline.images.decode import decode_image
from pipeline.inputs.read_again import read_again
from schemas.errors import ImageRejected
from schemas.job.compute import Limits
from schemas.job.storage import Storage

SIDE_PX = 2048  # of a large screen; masks keep the image's own pixels
KEPT = 64  # pictures of at most 1 MB: those around the one on screen


class Pictures:
    """Images of one storage, by the URI of their rows; a few recent ones are kept."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.jpeg = lru_cache(KEPT)(self._jpeg)

    def _jpeg(self, uri: str) -> bytes:
        """Return the image as displayed. Raises ImageRejected with the reason why there is none."""
        ((_, read),) = read_again([uri], self._storage)
        if isinstance(read, str):
            raise ImageRejected("missing", read)
        image = Image.fromarray(decode_image(read, Limits()).pixels_HW3)
        image.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC, reducing_gap=3)
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=90)
        return buffer.getvalue()
