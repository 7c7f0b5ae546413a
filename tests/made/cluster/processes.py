"""Processes below one of ours, by what Linux itself says: numbers wrap around and tell nothing."""

import os
import signal
from contextlib import suppress
from pathlib import Path


def children(pid: int) -> list[int]:
    """Return the processes that a process started and that still run."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(p) for t in threads for p in (t / "children").read_text().split()]
    except OSError:
        return []  # it has ended


def descendants(pid: int) -> list[int]:
    """Return a process's children, their children and so on."""
    return [below for child in children(pid) for below in (child, *descendants(child))]


def title(pid: int) -> str:
    """Return a process's command; Ray names its workers after their class there."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended already."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
