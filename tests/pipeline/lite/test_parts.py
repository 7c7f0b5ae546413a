"""What SAM finds in photos: written once, read back, cut out, and asked for."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from model.everything import Everything
from pipeline.lite.bank import Entry
from pipeline.lite.draw import draw_prompts
from pipeline.lite.material.parts import cut_out_parts, find_parts, with_parts
from pipeline.lite.material.photos import Material, Part, Photo
from pipeline.lite.material.pictures import HALF, Pictures
from pipeline.masks.runs import encode_rle
from pipeline.scenes.categories import RESERVED
from pipeline.scenes.compose import scene
from tests.made.networks.published_lite import LITE_SAM

SIZE_HW = (160, 200)


def encoded(array: np.ndarray, form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, form)
    return buffer.getvalue()


def block(top: int, left: int, height: int, width: int) -> np.ndarray:
    mask_HW = np.zeros(SIZE_HW, bool)
    mask_HW[top : top + height, left : left + width] = True
    return mask_HW


CUP = block(20, 20, 60, 60)


def a_part(mask_HW: np.ndarray, score: float = 0.95) -> Part:
    return Part(SIZE_HW, encode_rle(mask_HW)["counts"].encode(), score)


def photo(*parts: Part) -> Photo:
    image_HW3 = np.random.default_rng(0).integers(0, 255, (*SIZE_HW, 3), dtype=np.uint8)
    masks = {"cup": encoded(CUP.astype(np.uint8) * 255, "PNG")}
    return Photo("shop-1", "a", encoded(image_HW3, "JPEG"), masks, parts)


def test_parts_are_found_once_and_read_back(tmp_path: Path) -> None:
    drawn = scene(3, 2, RESERVED, 256)
    jpeg = encoded(drawn.image_HW3, "JPEG")
    photos = [replace(photo(), id="shop-1", jpeg=jpeg), replace(photo(), id="shop-2", jpeg=jpeg)]
    everything = Everything(LITE_SAM, "cpu", "fp32", sure=0.5)
    counts = list(find_parts(photos[:1], everything, tmp_path))
    assert len(counts) == 1
    assert counts[0] > 0
    before = (tmp_path / "shop-1.json").stat().st_mtime_ns
    assert len(list(find_parts(photos, everything, tmp_path))) == 1
    assert (tmp_path / "shop-1.json").stat().st_mtime_ns == before
    read, other = with_parts(photos, tmp_path)
    assert len(read.parts) == counts[0]
    assert all(part.mask().shape == (256, 256) and part.mask().any() for part in read.parts)
    assert len(other.parts) == len(json.loads((tmp_path / "shop-2.json").read_text()))


def test_a_photo_that_nothing_was_looked_for_in_has_no_parts(tmp_path: Path) -> None:
    (only,) = with_parts([photo()], tmp_path)
    assert only == photo()


def test_a_thing_without_a_label_is_cut_out() -> None:
    thing = block(30, 110, 40, 50)
    ((name, (png,)),) = cut_out_parts([photo(a_part(thing))]).items()
    rgba = Image.open(io.BytesIO(png))
    assert (name, rgba.mode, rgba.size) == ("shop-1-0", "RGBA", (50, 40))
    assert np.asarray(rgba.getchannel("A")).min() == 255


def test_what_is_no_thing_or_has_a_label_is_not_cut_out() -> None:
    parts = [
        a_part(CUP | block(80, 20, 4, 60)),
        a_part(block(30, 110, 40, 50), score=0.86),
        a_part(block(10, 5, 140, 190)),
        a_part(block(100, 100, 12, 12)),
        a_part(block(120, 60, 40, 60)),
        a_part(block(100, 100, 50, 2) | block(100, 100, 2, 90)),
    ]
    assert cut_out_parts([photo(*parts)]) == {}


def test_a_picture_of_a_photo_asks_for_its_parts_too() -> None:
    material = Material([photo(a_part(block(30, 110, 90, 80)), a_part(block(90, 10, 60, 90)))])
    pictures = Pictures(material, 3)
    drawn = [pictures.draw() for _ in range(40)]
    unnamed = [
        mask_HW for picture in drawn for category, mask_HW in picture.parts if category is None
    ]
    assert len(unnamed) > 20
    assert all(mask_HW.shape == (HALF, HALF) and mask_HW.any() for mask_HW in unnamed)
    entries = [Entry.of(picture) for picture in drawn if picture.categories]
    prompts = draw_prompts(entries, np.random.default_rng(0), boxes=True)
    alike_B = (prompts.truth_BHW == prompts.wider_BHW).all(axis=(1, 2))
    named_B = [
        any((prompts.truth_BHW[b] == entry.mask(name)).all() for name in entry.categories)
        for b, entry in enumerate(entries)
    ]
    assert (alike_B & ~np.array(named_B)).any(), "a part that is asked for as itself"
