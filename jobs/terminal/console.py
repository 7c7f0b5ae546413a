"""Open the console of a command's own lines: a terminal, a pipe, or the log of a submitted job.

In a submitted job our lines come out by a way of their own (VRP_LINES_FD), so that what repeats
the command can tell them from what Ray, its workers and Python print beside them.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import cache
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console

LINES_FD = "VRP_LINES_FD"
SUBMISSION = "VRP_SUBMISSION"  # the id that `vrp jobs` prints
PIPE_COLUMNS = 10_000  # nothing is wrapped or cut where nobody looks at a screen
PACKAGES = ("jobs", "pipeline", "model")


def open_console(as_json: bool = False) -> Console:
    """Return where a command's lines go; with `as_json` standard output is left to the JSON."""
    from rich.console import Console

    own = _own_lines()
    if own is not None:
        return Console(file=own, highlight=False, soft_wrap=True, width=PIPE_COLUMNS)
    on_screen = (sys.stderr if as_json else sys.stdout).isatty()
    width = None if on_screen else PIPE_COLUMNS
    return Console(stderr=as_json, highlight=False, soft_wrap=True, width=width)


def is_submitted() -> bool:
    """True in a job that `vrp submit` sent."""
    return LINES_FD in os.environ


@cache
def _own_lines() -> TextIO | None:
    if LINES_FD not in os.environ:
        return None
    return os.fdopen(int(os.environ[LINES_FD]), "w", buffering=1)


def tell_warnings() -> None:
    """Print our own packages' warnings as lines of the command; uncaught errors too, once each."""
    handler = _Lines(logging.WARNING)
    for package in PACKAGES:
        logger = logging.getLogger(package)
        if not logger.handlers:
            logger.addHandler(handler)
            logger.propagate = False
    if not is_submitted():
        return

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        console = open_console(as_json=True)
        console.print(f"error: a fault of vrp itself: {kind.__name__}: {error}", markup=False)
        sys.__excepthook__(kind, error, trace)

    sys.excepthook = tell


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        open_console(as_json=True).print(record.getMessage(), markup=False)
