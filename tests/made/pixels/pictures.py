"""Photos with masks, and pictures in a bank: what they show is known."""

import io

import numpy as np
from PIL import Image

from pipeline.lite.bank import Bank, Entry
from pipeline.lite.photos import Photo
from pipeline.lite.pictures import HALF, SIDE, Picture


def entry(*categories: str, origin: str = "a", complete: bool = False) -> Entry:
    masks = np.zeros((len(categories), HALF, HALF), bool)
    for number in range(len(categories)):
        masks[number, 20:90, 20 + 60 * number : 70 + 60 * number] = True
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    parts = tuple(enumerate(masks))
    return Entry.of(Picture(image, categories, masks, parts, frozenset({origin}), complete))


def filled(*entries: Entry, room: int) -> Bank:
    bank = Bank(room)
    for one in entries:
        bank.add(one)
    return bank


def encoded(array: np.ndarray, form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, form)
    return buffer.getvalue()


def photo(name: str, group: str, *categories: str) -> Photo:
    rng = np.random.default_rng(len(name))
    image = rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)
    masks = {}
    for number, category in enumerate(categories):
        mask = np.zeros((60, 80), np.uint8)
        mask[10:50, 5 + 30 * number : 30 + 30 * number] = 255
        masks[category] = encoded(mask, "PNG")
    return Photo(name, group, encoded(image, "JPEG"), masks)
