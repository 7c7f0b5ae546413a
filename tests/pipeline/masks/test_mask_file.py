"""Masks as programs save them: alpha, palettes, borders, soft edges; the object is the same."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.masks.mask_file import MaskRead, described, read_mask

OBJECT_HW = np.zeros((40, 60), bool)
OBJECT_HW[10:25, 20:50] = True
WHITE_HW = np.where(OBJECT_HW, 255, 0).astype(np.uint8)
FULL_HW = np.full_like(WHITE_HW, 255)
RING_HW = np.zeros_like(OBJECT_HW)
RING_HW[8:27, 18:52] = True
RING_HW &= ~OBJECT_HW


def read(image: Image.Image, kind: str = "PNG") -> MaskRead:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    with Image.open(buffer) as opened:
        return read_mask(opened)


def stacked(*channels: np.ndarray, mode: str) -> Image.Image:
    return Image.merge(mode, [Image.fromarray(channel) for channel in channels])


def palette(numbers_HW: np.ndarray, colours: dict[int, tuple[int, int, int]]) -> Image.Image:
    image = Image.frombytes("P", numbers_HW.shape[::-1], numbers_HW.astype(np.uint8).tobytes())
    flat = [0] * 768
    for number, colour in colours.items():
        flat[3 * number : 3 * number + 3] = colour
    image.putpalette(flat)
    return image


NOISE_HW = np.random.default_rng(0).integers(0, 255, WHITE_HW.shape, dtype=np.uint8)
BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (128, 0, 0)


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(WHITE_HW),
        Image.fromarray(OBJECT_HW),
        Image.fromarray(OBJECT_HW.astype(np.uint16) * 300),
        stacked(WHITE_HW, FULL_HW, mode="LA"),
        stacked(FULL_HW, WHITE_HW, mode="LA"),
        stacked(*[WHITE_HW] * 3, FULL_HW, mode="RGBA"),
        stacked(*[WHITE_HW] * 3, 0 * FULL_HW, mode="RGBA"),
        stacked(*[FULL_HW] * 3, WHITE_HW, mode="RGBA"),
        stacked(*[0 * FULL_HW] * 3, WHITE_HW, mode="RGBA"),
        stacked(*[0 * FULL_HW] * 3, WHITE_HW // 3, mode="RGBA"),
        stacked(*[NOISE_HW] * 3, WHITE_HW, mode="RGBA"),
        palette(~OBJECT_HW, {0: WHITE, 1: BLACK}),
        palette(np.where(OBJECT_HW, 0, 255), {0: RED, 255: BLACK}),
        palette(WHITE_HW, {0: BLACK, 255: WHITE}),
    ],
    ids=lambda image: f"{image.mode}",
)
def test_the_object_is_the_same_however_its_mask_is_saved(image: Image.Image) -> None:
    np.testing.assert_array_equal(read(image).mask_HW, OBJECT_HW)


def test_a_transparent_entry_of_a_palette_is_background() -> None:
    image = palette(OBJECT_HW, {0: WHITE, 1: BLACK})
    image.info["transparency"] = 0
    seen = read(image)
    np.testing.assert_array_equal(seen.mask_HW, OBJECT_HW)
    assert seen.remarks == ("the object is what alpha shows",)


NUMBERED_HW = np.where(RING_HW, 255, OBJECT_HW).astype(np.uint8)
VOC_RGB = (224, 224, 192)


@pytest.mark.parametrize(
    "image",
    [
        palette(NUMBERED_HW, {0: BLACK, 1: RED, 255: VOC_RGB}),
        palette(NUMBERED_HW, {0: BLACK, 1: RED, 255: VOC_RGB}).convert("RGB"),
        Image.fromarray(NUMBERED_HW),
        stacked(*[NUMBERED_HW] * 3, mode="RGB"),
    ],
    ids=lambda image: f"{image.mode}",
)
def test_vocs_border_is_no_object_and_is_told(image: Image.Image) -> None:
    seen = read(image)
    np.testing.assert_array_equal(seen.mask_HW, OBJECT_HW)
    assert seen.remarks == (f"{RING_HW.sum()} pixels of VOC's border are left out",)


def test_soft_edges_are_cut_at_half_and_counted() -> None:
    soft = Image.fromarray(WHITE_HW).resize((240, 160)).resize((60, 40), Image.Resampling.BILINEAR)
    for kind in ("PNG", "JPEG"):
        seen = read(soft, kind)
        np.testing.assert_array_equal(seen.mask_HW, OBJECT_HW)
        greys = np.asarray(soft)
        least = int(((greys > 0) & (greys < 255)).sum())
        assert int(seen.remarks[0].split()[0]) >= least
        assert "cut at half" in seen.remarks[0]


def test_flat_greys_are_numbers_that_count_alike() -> None:
    numbers_HW = np.where(OBJECT_HW, 200, np.where(RING_HW, 70, 0)).astype(np.uint8)
    seen = read(Image.fromarray(numbers_HW))
    np.testing.assert_array_equal(seen.mask_HW, OBJECT_HW | RING_HW)
    assert seen.remarks == ("the values 70, 200 count alike",)


def test_numbers_in_a_jpeg_are_refused() -> None:
    with pytest.raises(ValueError, match="numbers do not survive JPEG"):
        read(Image.fromarray(np.where(OBJECT_HW, 20, 0).astype(np.uint8)), "JPEG")


def test_a_mask_of_several_frames_is_refused() -> None:
    buffer = io.BytesIO()
    frames = [Image.fromarray(WHITE_HW), Image.fromarray(FULL_HW)]
    frames[0].save(buffer, "TIFF", save_all=True, append_images=frames[1:])
    with Image.open(buffer) as image, pytest.raises(ValueError, match="2 frames"):
        read_mask(image)


def test_a_mask_is_described_by_pixels_share_and_box() -> None:
    assert described(OBJECT_HW) == "450 pixels, 18.8% of the image, x 20 to 50, y 10 to 25"
