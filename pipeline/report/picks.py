"""Choose a few of very many: the k entries with the largest keys, in memory of size k."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

Entry = TypeVar("Entry")


class Top(Generic[Entry]):
    """Holds the k entries with the largest keys seen so far, one for each name.

    With random keys that is a uniform sample without replacement, of a stream of any length.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept: dict[str, tuple[tuple[float, ...], Entry]] = {}

    def offer(
        self, names: Sequence[str], keys_NK: np.ndarray, take: Callable[[int], Entry]
    ) -> None:
        """Offer N candidates; ties of the first key are decided by the next.

        take(n) makes the entry of candidate n and is called for those that get a place.
        """
        if self._full:
            beaten = keys_NK[:, 0] < self._worst()[0]
            candidates = np.flatnonzero(~beaten)
        else:
            candidates = np.arange(len(keys_NK))
        order = np.lexsort(keys_NK[candidates].T[::-1])[::-1]
        for number in map(int, candidates[order]):
            key = tuple(keys_NK[number].tolist())
            if self._full and key <= self._worst():
                break
            name = names[number]
            if name in self._kept and self._kept[name][0] >= key:
                continue
            self._kept[name] = (key, take(number))
            if len(self._kept) > self._count:
                del self._kept[min(self._kept, key=lambda kept: self._kept[kept][0])]

    def entries(self) -> list[Entry]:
        """Return what is held, the largest key first."""
        ordered = sorted(self._kept.values(), key=lambda kept: kept[0], reverse=True)
        return [entry for _, entry in ordered]

    @property
    def _full(self) -> bool:
        return len(self._kept) >= self._count

    def _worst(self) -> tuple[float, ...]:
        return min(key for key, _ in self._kept.values())
