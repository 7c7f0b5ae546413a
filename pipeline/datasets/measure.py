"""Read an image's displayed size, or a mask's file, or say what is wrong with it."""

import hashlib
import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from pipeline.datasets.listing import ImageRow, Problem
from pipeline.images.decode import UNREADABLE
from pipeline.storage.place import Place
from schemas.errors import MissingFile

# Size and orientation stand before the pixels; EXIF with a thumbnail takes at most 64 KiB (APP1).
HEADER_BYTES = 2**17
SWAPPING_ORIENTATIONS = (5, 6, 7, 8)  # EXIF: displayed with rows and columns exchanged
# T.81, table B.1. Neither occurs inside a scan's data, so after the last start of a scan comes the
# end of the image, unless the file was cut off; a thumbnail's end comes before it.
JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"


def measure_image(image: Place, image_id: str) -> tuple[int, int] | Problem:
    """Return an image's displayed height and width from its first bytes, or what is wrong."""
    try:
        head = image.read(end=HEADER_BYTES)
        try:
            return _displayed_size(head)
        except UNREADABLE:
            whole = image.read()
    except MissingFile as error:
        return Problem(image_id, image.uri, "missing-image", error.got)
    return _measured(whole, image, image_id)


def check_image(image: Place, image_id: str) -> ImageRow | Problem:
    """Return an image's row, of the file read to its end: one that is cut off is a problem.

    Nothing is decoded, so that a dataset of 100,000 images is checked in minutes.
    """
    try:
        data = image.read()
    except MissingFile as error:
        return Problem(image_id, image.uri, "missing-image", error.got)
    if data.startswith(JPEG_START) and data.rfind(JPEG_END) < data.rfind(JPEG_SCAN):
        return Problem(image_id, image.uri, "unreadable-image", "the file ends in the picture")
    size_HW = _measured(data, image, image_id)
    if isinstance(size_HW, Problem):
        return size_HW
    digest = hashlib.sha256(data).hexdigest()
    return ImageRow(image_id, image.uri, *size_HW, image_bytes=len(data), image_sha256=digest)


def read_mask(
    mask: Place, image_id: str, pixels_of: Callable[[Image.Image], np.ndarray]
) -> tuple[np.ndarray, str] | Problem:
    """Return what is made of a mask's file, [H, W], and the file's sha256, or what is wrong.

    pixels_of raises ValueError for an image that is no such mask.
    """
    try:
        data = mask.read()
    except MissingFile as error:
        return Problem(image_id, mask.uri, "missing-mask", error.got)
    try:
        with Image.open(io.BytesIO(data)) as image:
            return pixels_of(image), hashlib.sha256(data).hexdigest()
    except UNREADABLE as error:
        return Problem(image_id, mask.uri, "unreadable-mask", str(error))


def numbers_in(mask: Image.Image, what: str) -> np.ndarray:
    """Return the number of each pixel, uint8 [H, W], as palette masks have them; of `what`."""
    if mask.mode not in ("P", "L"):
        raise ValueError(f"mode {mask.mode}, not the {what} numbers of mode P or L")
    return np.asarray(mask)


def _measured(data: bytes, image: Place, image_id: str) -> tuple[int, int] | Problem:
    try:
        return _displayed_size(data)
    except UNREADABLE as error:
        return Problem(image_id, image.uri, "unreadable-image", str(error))


def _displayed_size(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as image:
        swapped = image.getexif().get(0x0112, 1) in SWAPPING_ORIENTATIONS
        return image.size if swapped else (image.height, image.width)
