"""Processes beside the learner draw pictures, and batches of them, for as long as it learns.

Each has the material, a bank and a part of the learner's store of its own: what it sends are new
pictures with their places in the store, and a batch that refers to places.
"""

import multiprocessing
import os
import queue
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event

import numpy as np
import torch

from pipeline.lite.bank import Bank, Entry
from pipeline.lite.draw import Drawn, Episodes
from pipeline.lite.photos import Material, Photo
from pipeline.lite.pictures import Pictures

FIRST_LOT = 20
"""Pictures in a message, before there are enough to draw a batch from."""

WAITING = 3
"""Messages that wait for the learner, for each process."""

WATCHED_S = 1.0
"""How long a message is waited for before the processes are looked at."""


@dataclass(frozen=True)
class Feed:
    """How batches are drawn by each of some processes."""

    targets: int
    room: int
    """Of a process's bank."""
    first: int
    """Pictures in the bank before the first batch."""
    fresh: int
    """New pictures with every batch."""


@dataclass(frozen=True)
class Message:
    """New pictures, uint8 [N, H, W, 3], with their places; and a batch, unless it is too early."""

    slots: list[int]
    images_NHW3: np.ndarray
    drawn: Drawn | None


class Drawer:
    """Draws messages from material and seeds: one process's work."""

    def __init__(self, material: Material, feed: Feed, seed: int, first_slot: int) -> None:
        self._pictures = Pictures(material, seed)
        self._rng = np.random.default_rng([seed, 1])
        self._bank = Bank(feed.room)
        self._episodes = Episodes(self._bank, feed.targets, garments(material.photos))
        self._feed = feed
        self._first_slot = first_slot

    def next(self) -> Message:
        """Draw the next message."""
        filled = self._bank.added >= self._feed.first
        slots: list[int] = []
        images: list[np.ndarray] = []
        while len(slots) < (self._feed.fresh if filled else FIRST_LOT):
            picture = self._pictures.draw()
            if picture.categories:
                slots.append(self._first_slot + self._bank.add(Entry.of(picture)))
                images.append(picture.image_HW3)
        drawn = self._episodes.draw(self._rng) if filled else None
        return Message(slots, np.stack(images), drawn and drawn.moved(self._first_slot))


class Drawers:
    """The processes that draw beside, and what they send."""

    def __init__(self, messages: "Queue[Message]", processes: Sequence[BaseProcess]) -> None:
        self._messages = messages
        self._processes = processes

    def next(self) -> Message:
        """Wait for a message. Raises ChildProcessError when a process has ended."""
        while True:
            ended = [p.exitcode for p in self._processes if p.exitcode is not None]
            if ended:
                raise ChildProcessError(
                    f"a process that draws pictures has ended, with exit code {ended[0]}: what it "
                    "wrote above says why; -9 is a kill, most often for want of memory"
                )
            try:
                return self._messages.get(timeout=WATCHED_S)
            except queue.Empty:
                continue


@contextmanager
def batches_beside(material: Material, feed: Feed, seed: int, processes: int) -> Iterator[Drawers]:
    """Run processes that draw for as long as the block lasts; enter it before a GPU is used."""
    context = multiprocessing.get_context("fork")
    messages: Queue[Message] = context.Queue(maxsize=WAITING * processes)
    stop = context.Event()
    started = []
    for number in range(processes):
        drawer = Drawer(material, feed, seed + number, number * feed.room)
        process = context.Process(target=_draw, args=(drawer, messages, stop), daemon=True)
        process.start()
        started.append(process)
    try:
        yield Drawers(messages, started)
    finally:
        stop.set()
        for process in started:
            process.join(timeout=2)
            process.terminate()


def _draw(drawer: Drawer, messages: "Queue[Message]", stop: Event) -> None:
    torch.set_num_threads(1)
    # A session of its own: Linux shares the processor among sessions first, then processes.
    os.setsid()
    while not stop.is_set():
        message = drawer.next()
        while not stop.is_set():
            try:
                messages.put(message, timeout=1)
                break
            except queue.Full:
                continue
    messages.cancel_join_thread()


def garments(photos: Sequence[Photo]) -> frozenset[str]:
    """Return the categories that only the clothing photos have: near-synonyms that overlap."""
    other = {name for p in photos if not p.source.startswith("ccp") for name in p.masks}
    return frozenset({name for p in photos for name in p.masks} - other)
