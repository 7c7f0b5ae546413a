"""Turn a key into random numbers that are the same on every machine and under every numpy.

numpy promises that a bit generator's raw stream never changes; of `Generator`'s methods it promises
less (NEP 19). So only raw 64-bit words are taken from numpy, and integers do the rest.
"""

import hashlib

import numpy as np

WORD = 2**64


class Draws:
    """The random numbers of one sample; equal keys give equal numbers, in any process."""

    def __init__(self, *key: int | str) -> None:
        # A hash keeps (1, 23) apart from (12, 3) and [1] from [1, 0], which SeedSequence does not.
        # int() because numpy's integers print otherwise than Python's.
        words = [part if isinstance(part, str) else int(part) for part in key]
        digest = hashlib.sha256(repr(words).encode()).digest()
        seed = np.random.SeedSequence(int.from_bytes(digest[:16], "little"))
        self._words = np.random.PCG64(seed)

    def below(self, count: int) -> int:
        """Return an integer of 0 … count - 1, each equally likely."""
        assert 0 < count <= WORD
        limit = WORD - WORD % count  # words above it would favour the small remainders
        while (word := int(self._words.random_raw())) >= limit:
            pass
        return word % count

    def between(self, low: int, high: int) -> int:
        """Return an integer of low … high, both included."""
        return low + self.below(high - low + 1)

    def unit(self) -> float:
        """Return a float of [0, 1): a multiple of 2**-53, so exact."""
        return (int(self._words.random_raw()) >> 11) * 2.0**-53

    def distinct(self, count: int, below: int) -> list[int]:
        """Return `count` different integers of 0 … below - 1, in no special order (R. Floyd)."""
        assert 0 <= count <= below
        drawn: dict[int, None] = {}
        for top in range(below - count, below):
            number = self.below(top + 1)
            drawn[top if number in drawn else number] = None
        return list(drawn)

    def permutation(self, count: int) -> list[int]:
        """Return 0 … count - 1 in random order (Fisher and Yates)."""
        order = list(range(count))
        for place in range(count - 1, 0, -1):
            other = self.below(place + 1)
            order[place], order[other] = order[other], order[place]
        return order


def shuffled(place: int, size: int, *key: int | str) -> int:
    """Return what stands at `place` of a random permutation of 0 … size - 1, without making it.

    A Feistel network of four rounds over the next even power of two, walked until it falls below
    size (Black and Rogaway 2002): at most four walks on average.
    """
    assert 0 <= place < size
    bits = max(1, ((size - 1).bit_length() + 1) // 2)
    low = (1 << bits) - 1
    salt = hashlib.sha256(repr(key).encode()).digest()
    while True:
        left, right = place >> bits, place & low
        for turn in range(4):
            digest = hashlib.blake2b(b"%d %d" % (turn, right), key=salt, digest_size=8)
            left, right = right, left ^ (int.from_bytes(digest.digest(), "little") & low)
        place = left << bits | right
        if place < size:
            return place
