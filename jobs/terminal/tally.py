"""Receipts become how many images are done and how many there are, as far as anybody knows.

A list of images says how many it has; how many a tar holds is known once it was read to its end.
Until then the finished files' images per byte stand for the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.record.commit import Shard
from schemas.record.receipt import Receipt


@dataclass
class _Shard:
    """What is known of one shard that this run works at."""

    shard: Shard
    before: int
    """Images that earlier runs have done of it."""
    units: set[int]
    new: int = 0
    units_in_all: int | None = None

    @property
    def finished(self) -> bool:
        return self.units_in_all is not None and len(self.units) == self.units_in_all

    @property
    def exact(self) -> int | None:
        """All images, None while unknown."""
        if self.shard.kind == "images":
            return len(self.shard.images)
        return self.before + self.new if self.finished else None


@dataclass
class Tally:
    """Images of a run over these shards, each with the units that were committed before."""

    work: Sequence[tuple[Shard, frozenset[int]]]
    images: int = 0
    """Committed by this run."""
    rejected: int = 0
    units: int = 0
    _shards: dict[str, _Shard] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for shard, done in self.work:
            before = len(done) * shard.images_per_unit
            self._shards[shard.id] = _Shard(shard, before, set(done))

    def add(self, receipt: Receipt) -> bool:
        """Count a unit; False for one counted before: its reader died, and handed it out again."""
        if receipt.part.path in self._seen:
            return False
        self._seen.add(receipt.part.path)
        self.images += receipt.part.images
        self.rejected += receipt.part.rejected
        self.units += 1
        shard = self._shards.get(receipt.shard_id)
        if shard is not None:
            shard.new += receipt.part.images
            shard.units.add(receipt.number)
            if receipt.last:
                shard.units_in_all = receipt.number + 1
        return True

    def total(self) -> tuple[int, bool] | None:
        """Return the images this run will have done and whether that is exact; None: unknown."""
        if not self._shards:
            return None
        known = [(shard, shard.exact) for shard in self._shards.values()]
        exact = sum(count - shard.before for shard, count in known if count is not None)
        unknown = [shard for shard, count in known if count is None]
        if not unknown:
            return exact, True
        read = [(count, s.shard.size_bytes) for s, count in known if count and s.shard.size_bytes]
        if not read:
            return None
        per_byte = sum(count for count, _ in read) / sum(size for _, size in read)
        guessed = sum(
            max(shard.new, round(shard.shard.size_bytes * per_byte) - shard.before)
            for shard in unknown
        )
        return exact + guessed, False
