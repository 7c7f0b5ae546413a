"""A job file becomes a command at work on it: a process of its own, which outlives the studio."""

import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from schemas.errors import BadInput

LOG_BYTES = 4000  # of its end, to be shown


class Run:
    """Starts one command at a time; what is printed goes into a file beside the job."""

    def __init__(self, command: Sequence[str], shown: str) -> None:
        """command takes the job file as its last argument; shown is what a person would type."""
        self._command, self.shown = tuple(command), shown
        self._process: subprocess.Popen[bytes] | None = None
        self._begins = 0  # where in the log this run's words begin
        self._lock = threading.Lock()

    def start(self, job: Path) -> None:
        """Start the command. Raises BadInput while the one before is at work."""
        with self._lock:
            if self._alive():
                raise BadInput("a run that is under way", str(job), "another start", "its end")
            with log_of(job).open("ab") as log:  # which may hold what others wrote
                self._begins = log.tell()
                # A session of its own: what ends the studio does not reach it.
                self._process = subprocess.Popen(  # noqa: S603
                    [*self._command, str(job)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def stop(self) -> None:
        """Ask our command to end: what is committed stays."""
        with self._lock:
            if self._process is not None and self._alive():
                self._process.terminate()

    def describe(self, job: Path) -> dict[str, Any]:
        """Return whether a command of ours is at work, how it ended, and what it said last."""
        with self._lock:
            alive = self._alive()
            started = self._process is not None
            code = self._process.returncode if self._process is not None else None
        return {
            "alive": alive,
            "code": code,
            "log": _end_of(log_of(job), self._begins) if started else "",
        }

    def _alive(self) -> bool:
        return self._process is not None and self._process.poll() is None


def log_of(job: Path) -> Path:
    """Return the file that a run's words go to."""
    return job.with_suffix(".log")


def _end_of(log: Path, begins: int) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(begins, log.stat().st_size - LOG_BYTES))
        return file.read().decode("utf-8", "replace")
