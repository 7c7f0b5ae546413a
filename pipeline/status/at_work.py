"""Say on an output's storage that a run is at work on it, and find the runs that say so.

A run takes the next number below <output>/state/ in one conditional write, so that of two runs one
has the lower number, and writes its file again every few seconds. Lower numbers come first: a run
looks at those, and whether their beats go on. Clocks of two machines are never trusted by less
than a day.
"""

import os
import re
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from pipeline.output.paths import STATE, at_work
from pipeline.storage.place import Place
from schemas.errors import BadInput, BadStorage, MissingFile
from schemas.record.at_work import AtWork

BEAT_S = 10.0
# Two beats and a slow storage; what beats no more after it has died.
SILENT_S = 25.0
# Clocks of two machines differ by less, wrong time zones included: no look for so old a beat.
OLD_S = 86_400.0
LOOK_S = 1.0
_NAME = re.compile(r"at-work-(\d{5,})\.json")


def read_at_work(output: Place) -> dict[int, AtWork]:
    """Return the runs that say they are at work, by number; any may have died since."""
    found: dict[int, AtWork] = {}
    for name in output.below(STATE).files("at-work-"):
        if (place := _NAME.fullmatch(name)) and (record := _read(output, int(place[1]))):
            found[int(place[1])] = record
    return found


def find_working(
    output: Place,
    own: str,
    below: int | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> AtWork | None:
    """Return a run other than `own` that is at work, None where there is none.

    Takes a few seconds where a run says so: its next beat is waited for. below: of those with a
    lower number only. Raises BadStorage.
    """
    first = {
        number: record
        for number, record in read_at_work(output).items()
        if record.run != own and (below is None or number < below) and not has_ended(record)
    }
    waited_s = 0.0
    while first and waited_s < SILENT_S:
        sleep(LOOK_S)
        waited_s += LOOK_S
        for number, before in list(first.items()):
            now = _read(output, number)
            if now is None:
                del first[number]
            elif now.beats != before.beats:
                return now
    return None


def has_ended(record: AtWork) -> bool:
    """True where a run cannot be at work any more: its process is gone from here, or long silent.

    False of a run on another machine that was seen within a day, which may have died too.
    """
    if is_of_here(record):
        process = record.process.partition(" ")[2]
        return process != _process(int(process.partition("-")[0]))
    return age_s(record.seen) > OLD_S


def is_of_here(record: AtWork) -> bool:
    """True where this machine knows whether the run's process is alive."""
    return record.process.partition(" ")[0] == _machine()


def age_s(moment: str) -> float:
    """Return the seconds since a moment, by this machine's clock."""
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


class Presence:
    """Says that this run is at work on an output, from `begin` to `end`."""

    def __init__(self, output: Place, run: str, kind: str) -> None:
        self._output = output
        now = _now()
        self._record = AtWork(
            run=run,
            kind=kind,
            host=socket.gethostname(),
            process=f"{_machine()} {_process(os.getpid())}",
            begun=now,
            seen=now,
            beats=0,
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._number = 0

    def begin(self) -> int:
        """Take the next number, remove what ended runs left, and go on beating. Raises BadStorage.

        An earlier try of this run has ended: its number goes too.
        """
        while True:
            known = read_at_work(self._output)
            self._number = max(known, default=0) + 1
            if self._file(self._number).create(self._bytes()):
                break
        for number, record in known.items():
            if record.run == self._record.run or has_ended(record):
                self._file(number).remove()
        self._thread.start()
        return self._number

    def end(self) -> None:
        """Stop beating and give the number back."""
        self._ended.set()
        self._thread.join()
        self._file(self._number).remove()

    def _beat(self) -> None:
        while not self._ended.wait(BEAT_S):
            seen = {"beats": self._record.beats + 1, "seen": _now()}
            self._record = self._record.model_copy(update=seen)
            try:
                self._file(self._number).replace(self._bytes())
            except (BadStorage, OSError):
                # The work itself has patience with storage; a beat that is missed comes again.
                continue

    def _file(self, number: int) -> Place:
        return self._output.below(at_work(number))

    def _bytes(self) -> bytes:
        return self._record.model_dump_json().encode()


def refuse_second(record: AtWork, output: Place) -> BadInput:
    """Return the error of a run that finds another one at work."""
    return BadInput(
        "another run is at work on this output",
        str(output),
        f"{record.run} ({record.kind}) on {record.host}, begun {record.begun}, "
        f"last seen at work {record.seen}",
        "its end (`vrp cancel` ends a submitted job), --wait to begin then, or another output",
    )


def _read(output: Place, number: int) -> AtWork | None:
    try:
        return AtWork.model_validate_json(output.below(at_work(number)).read())
    except (MissingFile, ValidationError):
        return None  # ended meanwhile, or none of ours


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _machine() -> str:
    """Name what process numbers hold for: this start of the machine, and this container."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:  # no Linux
        return f"{socket.gethostname()}-{os.getpid()}"


def _process(pid: int) -> str:
    """Name a process: its number, and when it began, as numbers are used again."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return f"{pid}-"
    return f"{pid}-{status.rpartition(')')[2].split()[19]}"
