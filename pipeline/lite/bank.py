"""Pictures become entries: what each shows, without its pixels, and where a category is found.

Those who draw pictures hold a bank of entries and draw episodes from it; a picture's place in the
bank is where the learner keeps its pixels or its trunk's maps (pipeline/lite/store.py).
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from pipeline.lite.pictures import HALF, Picture


@dataclass(frozen=True)
class Entry:
    """What a picture shows. Masks are packed bits."""

    categories: tuple[str, ...]
    masks: np.ndarray
    parts: tuple[tuple[int, np.ndarray], ...]
    origins: frozenset[str]
    complete: bool

    @staticmethod
    def of(picture: Picture) -> "Entry":
        """Pack a picture's masks."""
        return Entry(
            picture.categories,
            np.packbits(picture.masks_KHW.reshape(len(picture.categories), -1), axis=1),
            tuple((k, np.packbits(mask_HW)) for k, mask_HW in picture.parts),
            picture.origins,
            picture.complete,
        )

    def mask(self, category: str) -> np.ndarray:
        """Return a category's mask, bool [H, W]."""
        return _unpacked(self.masks[self.categories.index(category)])

    def part(self, number: int) -> tuple[str, np.ndarray]:
        """Return a part's category and mask."""
        category, bits = self.parts[number]
        return self.categories[category], _unpacked(bits)


def _unpacked(bits: np.ndarray) -> np.ndarray:
    return np.unpackbits(bits, count=HALF * HALF).reshape(HALF, HALF).astype(bool)


class Bank:
    """The newest pictures' entries, and where each category is found."""

    def __init__(self, room: int) -> None:
        self.entries: list[Entry | None] = [None] * room
        self.where: dict[str, set[int]] = defaultdict(set)
        self.added = 0

    def add(self, entry: Entry) -> int:
        """Put a picture in the oldest one's place; return that place."""
        slot = self.added % len(self.entries)
        old = self.entries[slot]
        for category in old.categories if old else ():
            self.where[category].discard(slot)
            if not self.where[category]:
                del self.where[category]
        self.entries[slot] = entry
        for category in entry.categories:
            self.where[category].add(slot)
        self.added += 1
        return slot

    def entry(self, slot: int) -> Entry:
        """Return what a slot holds."""
        entry = self.entries[slot]
        assert entry is not None, f"slot {slot} of the bank was never filled"
        return entry
