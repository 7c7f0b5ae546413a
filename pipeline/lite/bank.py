"""Pictures become a bank of trunk maps in memory, refreshed all the time by a process beside it.

The trunk never learns, so a picture goes through it once and serves many episodes. A picture's maps
are 0.76 MB in float16.
"""

import os
import queue
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event

import numpy as np
import torch
from torch import Tensor

from model.networks.feature_maps import FeatureMaps
from model.networks.lite.trunk import COARSE, FINE, GRID, MIDDLE, LiteTrunk, joined
from model.networks.pixels import normalise
from pipeline.lite.photos import Photo
from pipeline.lite.pictures import HALF, Picture, Pictures


@dataclass(frozen=True)
class Entry:
    """A picture in the bank: what it shows, without its pixels. Masks are packed bits."""

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
    """The newest pictures' maps and masks, and where each category is found."""

    def __init__(self, room: int) -> None:
        self.entries: list[Entry | None] = [None] * room
        self.where: dict[str, set[int]] = defaultdict(set)
        self.added = 0
        # channels_last, as the trunk makes them: what reads them needs no copy.
        self._fine = torch.zeros(room, GRID, GRID, FINE, dtype=torch.float16)
        self._deep = torch.zeros(room, GRID // 2, GRID // 2, MIDDLE + COARSE, dtype=torch.float16)

    def __len__(self) -> int:
        return min(self.added, len(self.entries))

    def add(self, entry: Entry, fine_hwC: Tensor, deep_hwC: Tensor) -> None:
        """Put a picture in the oldest one's place."""
        slot = self.added % len(self.entries)
        old = self.entries[slot]
        for category in old.categories if old else ():
            self.where[category].discard(slot)
            if not self.where[category]:
                del self.where[category]
        self.entries[slot] = entry
        self._fine[slot], self._deep[slot] = fine_hwC, deep_hwC
        for category in entry.categories:
            self.where[category].add(slot)
        self.added += 1

    def entry(self, slot: int) -> Entry:
        """Return what a slot holds."""
        entry = self.entries[slot]
        assert entry is not None, f"slot {slot} of the bank was never filled"
        return entry

    def maps(self, slots: Sequence[int]) -> FeatureMaps:
        """Return pictures' maps as the trunk's, float32."""
        chosen = torch.tensor(slots)
        return joined(
            self._fine[chosen].float().permute(0, 3, 1, 2),
            self._deep[chosen].float().permute(0, 3, 1, 2),
        )

    def take_in(self, made: "Queue[Made]", wanted: int, waiting: bool) -> None:
        """Add what the process beside has made: `wanted` pictures, or only those that are ready."""
        for _ in range(wanted):
            try:
                item = made.get(timeout=300) if waiting else made.get_nowait()
            except queue.Empty:
                if waiting:
                    raise
                return
            self.add(item[0], torch.from_numpy(item[1]), torch.from_numpy(item[2]))


Made = tuple[Entry, np.ndarray, np.ndarray]


@torch.inference_mode()
def encode(trunk: LiteTrunk, images: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Run the trunk on uint8 images of its size: fine [B, h, w, C] and deep maps, float16."""
    pixels_BHW3 = torch.from_numpy(np.stack(images)).float()
    fine_BChw, deep_BChw = trunk.levels(normalise(pixels_BHW3.permute(0, 3, 1, 2)))
    return tuple(m.permute(0, 2, 3, 1).half().numpy() for m in (fine_BChw, deep_BChw))  # pyright: ignore[reportReturnType]


def make_pictures(
    photos: Sequence[Photo], seed: int, trunk: LiteTrunk, made: "Queue[Made]", stop: Event
) -> None:
    """Draw pictures and encode them until told to stop. Runs in a process of its own."""
    torch.set_num_threads(1)
    # A session of its own: Linux shares the processor among sessions first, then processes.
    os.setsid()
    pictures = Pictures(photos, seed)
    while not stop.is_set():
        picture = pictures.draw()
        if not picture.categories:
            continue
        fine_BhwC, deep_BhwC = encode(trunk, [picture.image_HW3])
        item = (Entry.of(picture), fine_BhwC[0], deep_BhwC[0])
        while not stop.is_set():
            try:
                made.put(item, timeout=1)
                break
            except queue.Full:
                continue
