"""Decode an image that was labelled before, and tell another one that lies in its place now."""

import numpy as np

from pipeline.images.decode import decode_image
from schemas.errors import ImageRejected
from schemas.job.compute import Limits

MOST_BYTES_PER_PIXEL = 16  # four channels of 32 bits


def limits_of_label(size_HW: tuple[int, int], limits: Limits) -> Limits:
    """Return what a label's image may cost: at least its own pixels, which its job allowed.

    An output does not say what that job's limits were.
    """
    pixels = size_HW[0] * size_HW[1]
    return Limits(
        max_pixels=max(limits.max_pixels, pixels),
        max_bytes=max(limits.max_bytes, MOST_BYTES_PER_PIXEL * pixels),
    )


def decode_labelled(data: bytes, size_HW: tuple[int, int], limits: Limits) -> np.ndarray:
    """Return uint8 RGB [H, W, 3] as displayed; size_HW is that of the label.

    Raises ImageRejected as `decode_image`, and for an image of another size: a mask over it would
    be judged on what it was not made from.
    """
    try:
        pixels_HW3 = decode_image(data, limits_of_label(size_HW, limits)).pixels_HW3
    except ImageRejected as error:
        if error.reason != "too-large":
            raise
        raise _another("a larger one", size_HW) from error
    height, width, _ = pixels_HW3.shape
    if (height, width) != size_HW:
        raise _another(f"{width} x {height} pixels", size_HW)
    return pixels_HW3


def _another(got: str, size_HW: tuple[int, int]) -> ImageRejected:
    wanted = f"{size_HW[1]} x {size_HW[0]}"
    return ImageRejected(
        "missing", f"another image than was labelled: {got}, the label has {wanted}"
    )
