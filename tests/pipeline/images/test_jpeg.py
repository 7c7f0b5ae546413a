"""JPEGs, which libjpeg-turbo reads at once: the same pixels as Pillow's, of every kind of them."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.images.decode import decode_image
from schemas.errors import ImageRejected
from schemas.job.compute import Limits


def photo(height: int, width: int) -> Image.Image:
    """Return a picture of smooth and sharp parts, so that every table of a JPEG counts."""
    rng = np.random.default_rng(height * 1000 + width)
    coarse = rng.integers(0, 256, (max(height // 6, 1), max(width // 6, 1), 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def jpeg_of(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


KINDS = {
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "4:2:0": {"subsampling": 2},
    "progressive": {"progressive": True},
    "restart markers": {"restart_marker_blocks": 2},
    "stored as RGB": {"keep_rgb": True},
    "coarse": {"quality": 5},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (5, 33), (64, 17), (40, 130)])
def test_every_kind_of_jpeg_decodes_to_pillows_pixels(kind: str, size: tuple[int, int]) -> None:
    data = jpeg_of(photo(*size), **KINDS[kind])
    for tail in (b"", bytes(50), data):
        decoded = decode_image(data + tail, Limits()).pixels_HW3
        np.testing.assert_array_equal(decoded, by_pillow(data + tail))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_jpeg_of_other_colours_decodes_to_pillows_pixels(mode: str) -> None:
    data = jpeg_of(photo(40, 33).convert(mode))
    np.testing.assert_array_equal(decode_image(data, Limits()).pixels_HW3, by_pillow(data))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_ends_before_its_picture_does_is_no_image(mode: str, progressive: bool) -> None:
    """Pillow fills the rest with grey, and mostly says nothing."""
    data = jpeg_of(photo(64, 64).convert(mode), progressive=progressive)
    cut = data[: len(data) // 2] + b"\xff\xd9"
    with pytest.raises(ImageRejected, match=r"premature end|truncated|broken data") as rejected:
        decode_image(cut, Limits())
    assert rejected.value.reason == "decode"
