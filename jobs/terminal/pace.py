"""How much was done, and when, becomes a rate and a time to go, from the last minutes alone.

The mean since the start holds the start of actors, the loading of weights and nodes that were
waited for, and foretold 187 s where 42 were left.
"""

import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 120.0


class Pace:
    """Counts what is done; a rate is known from the second piece on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._done: deque[tuple[float, float]] = deque()
        """(when, done in all by then) of the last pieces: one before the window, the rest in it."""
        self._total = 0.0

    def add(self, amount: float) -> None:
        """Count a piece that is done now."""
        now = self._clock()
        self._total += amount
        self._done.append((now, self._total))
        while len(self._done) > 2 and self._done[1][0] < now - WINDOW_S:
            self._done.popleft()

    def per_s(self) -> float | None:
        """Return the rate, None while nothing tells: of one piece it is unknown when it began."""
        if len(self._done) < 2:
            return None
        (first_s, before), (_, after) = self._done[0], self._done[-1]
        # To now: what has stood still for a minute is slow.
        return (after - before) / max(self._clock() - first_s, 1e-9)

    def to_go(self, left: float) -> str:
        """Return `, about 40 s to go`, empty while it is not known."""
        rate = self.per_s()
        if not rate:
            return ""
        return f", about {spoken(left / rate)} to go"


def spoken(seconds: float) -> str:
    """Return a duration as people say it: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
