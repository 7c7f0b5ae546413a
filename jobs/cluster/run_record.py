"""A command says on its output's storage that it is at work there, and in the end how it ended."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

import typer

from jobs.cluster.reason import reason_of
from schemas.errors import BadInput, BadStorage

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.status.at_work import Presence
    from pipeline.storage.place import Place
    from schemas.job.storage import Storage
    from schemas.record.at_work import Outcome

WAIT_LOOK_S = 5.0
SAID_CHARACTERS = 500


class RunRecord:
    """One run of a command, to its end; only what has begun, or was submitted, leaves a trace."""

    def __init__(self, kind: str, uri: str, storage: Storage) -> None:
        from jobs.terminal.console import SUBMISSION

        self._kind, self._uri, self._storage = kind, uri, storage
        self._run = os.environ.get(SUBMISSION) or f"{socket.gethostname()}:{os.getpid()}"
        self._presence: Presence | None = None
        self._told = False
        """How this run ended is not to be told: another one is at work."""

    def __enter__(self) -> Self:
        return self

    def begin(self, console: Console, *, wait: bool = False, alone: bool = True) -> bool:
        """Say that this run is at work; True when another one was waited for.

        alone: refuse to work beside another run. Raises BadInput.
        """
        from pipeline.status.at_work import Presence, find_working, refuse_second
        from pipeline.storage.place import Place

        output = Place.open(self._uri, self._storage)
        self._presence = Presence(output, self._run, self._kind)
        number = self._presence.begin()
        waited = False
        while alone and (other := find_working(output, self._run, number)):
            if not wait:
                self._presence.end()
                self._told = True
                raise refuse_second(other, output)
            if not waited:
                console.print(f"waiting for {other.run}, at work on this output", markup=False)
            waited = True
            time.sleep(WAIT_LOOK_S)
        return waited

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        from jobs.terminal.console import is_submitted

        # Of a submitted job also where there was nothing to do: it is waited for.
        if self._told or not (self._presence is not None or is_submitted()):
            return
        with _undisturbed(), suppress(BadStorage, OSError):  # what counts is how the run ended
            self._tell_end(*how_ended(error))

    def _tell_end(self, outcome: Outcome, said: str) -> None:
        from pipeline.storage.place import Place

        leave_ended(Place.open(self._uri, self._storage), self._run, self._kind, outcome, said)
        if self._presence is not None:
            self._presence.end()


def leave_ended(output: Place, run: str, kind: str, outcome: Outcome, said: str) -> None:
    """Leave a word on an output of how a run ended, now."""
    from pipeline.output.paths import ENDED
    from schemas.record.at_work import Ended

    at = datetime.now(UTC).isoformat(timespec="seconds")
    record = Ended(run=run, kind=kind, at=at, outcome=outcome, said=said)
    output.below(ENDED).replace(record.model_dump_json().encode())


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore SIGTERM for a moment: who ends a job may ask twice, and it is ending."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def how_ended(error: BaseException | None) -> tuple[Outcome, str]:
    """Return the outcome of a run that left its block by this error, and a line on it."""
    match error:
        case None:
            return "done", ""
        case BadInput():
            return "wrong-input", f"{error.what}: {error.where}, got {error.got}"[:SAID_CHARACTERS]
        case KeyboardInterrupt() | SystemExit() | typer.Exit():
            return "stopped", ""
        case _:
            return "failed", reason_of(error)[:SAID_CHARACTERS]
