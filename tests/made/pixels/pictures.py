"""Pictures in a bank: what they show is known."""

import numpy as np

from pipeline.lite.bank import Bank, Entry
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
