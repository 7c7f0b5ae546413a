"""A batch that fails is asked for in halves; after one ran out of memory none comes larger."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from model.networks.device import is_out_of_memory
from schemas.errors import ImageRejected

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Halves(Generic[Item, Answer]):
    """Asks for batches; after one ran out of memory, for at most as many items as fitted.

    ask returns an answer for each item, or a fault: the batch is then halved, down to the item that
    cannot be answered. The fault holds nothing in memory (`without_frames`).
    """

    def __init__(self, ask: Callable[[Sequence[Item]], Sequence[Answer] | Exception]) -> None:
        self._ask = ask
        self._most: int | None = None

    def fits(self, items: Sequence[Item]) -> bool:
        """Whether these may be asked for at once, as far as is known."""
        return 0 < len(items) <= (self._most or len(items))

    def answers(self, items: Sequence[Item]) -> list[Answer | ImageRejected]:
        """Return an answer for each item, or why there is none."""
        step = self._most or max(1, len(items))
        parts = [items[first : first + step] for first in range(0, len(items), step)]
        return self._settled(lambda: [one for part in parts for one in self._part(part)])

    def after(self, fault: Exception, items: Sequence[Item]) -> list[Answer | ImageRejected]:
        """Return the answers for a batch that was asked for elsewhere, and failed."""
        return self._settled(lambda: self._halved(fault, items))

    def _settled(
        self, ask: Callable[[], list[Answer | ImageRejected]]
    ) -> list[Answer | ImageRejected]:
        most, outcomes = self._most, ask()
        if any(getattr(one, "reason", None) == "out-of-memory" for one in outcomes):
            self._most = most  # it was that item, and not how many there were
        return outcomes

    def _part(self, items: Sequence[Item]) -> list[Answer | ImageRejected]:
        found = self._ask(items)
        return self._halved(found, items) if isinstance(found, Exception) else list(found)

    def _halved(self, fault: Exception, items: Sequence[Item]) -> list[Answer | ImageRejected]:
        reason = "out-of-memory" if is_out_of_memory(fault) else "model"
        if len(items) == 1:
            return [ImageRejected(reason, f"{type(fault).__name__}: {fault}")]
        half = len(items) // 2
        if reason == "out-of-memory":
            # Of the two halves the greater one; where that does not fit either, it says so itself.
            self._most = min(self._most or len(items), len(items) - half)
        return [*self._part(items[:half]), *self._part(items[half:])]


def without_frames(error: Exception) -> Exception:
    """Return an error without its traceback, whose frames hold all that the call had in memory."""
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
