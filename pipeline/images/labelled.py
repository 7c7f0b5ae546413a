"""Decode an image that was labelled before, and tell another one that lies in its place now."""

import numpy as np

from pipeline.images.decode import decode_image
from schemas.errors import ImageRejected
from schemas.job.compute import Limits


def decode_labelled(data: bytes, size_HW: tuple[int, int], limits: Limits) -> np.ndarray:
    """Return uint8 RGB [H, W, 3] as displayed; size_HW is that of the label.

    Raises ImageRejected as `decode_image`, and for an image of another size: a mask over it would
    be judged on what it was not made from.
    """
    pixels_HW3 = decode_image(data, limits).pixels_HW3
    if pixels_HW3.shape[:2] != size_HW:
        got, wanted = (f"{width} x {height}" for height, width in (pixels_HW3.shape[:2], size_HW))
        raise ImageRejected(
            "missing", f"another image than was labelled: {got} pixels, the label has {wanted}"
        )
    return pixels_HW3
