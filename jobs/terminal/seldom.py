"""Say when the next line of progress is due, so that a log stays short."""

import math
import time

LINE_EVERY_S = 10.0  # a job of a night is then some 3,000 lines of log


class Seldom:
    """Lets a line through every ten seconds: the first at once, or ten seconds after `begun`."""

    def __init__(self, begun: float = -math.inf) -> None:
        self._last = begun

    def due(self) -> bool:
        """Whether a line is due now; one that is counts as printed."""
        now = time.monotonic()
        if now - self._last < LINE_EVERY_S:
            return False
        self._last = now
        return True
