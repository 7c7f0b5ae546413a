"""What runs left below <output>/state/ becomes what is known of the last: at work, lost, ended."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import ValidationError

from pipeline.output.paths import ENDED, SUBMITTED
from pipeline.status.at_work import (
    SILENT_S,
    age_s,
    find_working,
    has_ended,
    is_of_here,
    read_at_work,
)
from pipeline.storage.place import Place
from schemas.errors import MissingFile
from schemas.record.at_work import AtWork, Ended, Submitted
from schemas.spec import Spec

State = Literal["at work", "submitted", "done", "failed", "stopped", "lost", "unknown"]
# A job that was sent begins within this, or is lost.
BEGINS_S = 600.0
OVER: frozenset[State] = frozenset(("done", "failed", "stopped", "lost", "unknown"))
"""States in which nothing comes any more unless somebody begins it."""
Record = TypeVar("Record", bound=Spec)


@dataclass(frozen=True)
class RunState:
    """The last run that anything is known of; `unknown` where no run has left a word."""

    state: State
    run: str | None
    says: str
    """One line for people."""
    unbegun: Submitted | None = None
    """The submitted job, where it was never seen at work: only its head may know more."""


def read_run_state(output: Place, sleep: Callable[[float], None] = time.sleep) -> RunState:
    """Read an output's state: a listing and a few small files.

    Takes up to SILENT_S where a run on another machine, by whose clock it was not seen just now,
    was seen within a day: it may have died. Raises BadStorage.
    """
    ended = read_ended(output)
    records = [
        record
        for record in read_at_work(output).values()
        if not (has_ended(record) or _has_said_so(record, ended))
    ]
    fresh = [one for one in records if is_of_here(one) or abs(age_s(one.seen)) < SILENT_S]
    working = fresh[0] if fresh else (find_working(output, "", sleep=sleep) if records else None)
    if working is not None:
        return _at_work(working)
    ended = read_ended(output) if records else ended  # a run that was waited for may have ended
    submitted = _read(output.below(SUBMITTED), Submitted)
    silent = list(read_at_work(output).values())
    last = max(silent, key=lambda record: record.seen, default=None)
    if submitted and _newer(submitted, ended, last):
        return _submitted(submitted)
    if last and (ended is None or ended.at < last.begun):
        return RunState(
            "lost",
            last.run,
            f"lost: {last.run} on {last.host} was last seen at work {last.seen}; "
            f"{goes_on(last.kind)}",
        )
    if ended is None:
        return RunState("unknown", None, "unknown: no run has left a word here")
    return _ended(ended)


def read_ended(output: Place) -> Ended | None:
    """Return how the last run ended that could still say so. Raises BadStorage."""
    return _read(output.below(ENDED), Ended)


def _has_said_so(record: AtWork, ended: Ended | None) -> bool:
    """True of a run that ended; False of a later try of the same job."""
    return ended is not None and ended.run == record.run and ended.at >= record.begun


def _newer(submitted: Submitted, ended: Ended | None, last: AtWork | None) -> bool:
    """True where the submitted job has neither begun nor ended, as far as storage tells."""
    begun = last is not None and last.run == submitted.run
    return (
        not begun
        and (ended is None or ended.run != submitted.run)
        and (ended is None or ended.at < submitted.at)
    )


def _at_work(record: AtWork) -> RunState:
    return RunState(
        "at work",
        record.run,
        f"at work: {record.run} on {record.host}, since {record.begun}, last seen {record.seen}",
    )


def _submitted(job: Submitted) -> RunState:
    told = f"{job.run}, sent {job.at}"
    if age_s(job.at) < BEGINS_S:
        says = f"submitted: {told}, has not begun yet"
        return RunState("submitted", job.run, says, job)
    says = f"lost: {told}, was never seen at work; {goes_on(job.kind)}"
    return RunState("lost", job.run, says, job)


def _ended(record: Ended) -> RunState:
    told = f"{record.run}, {record.at}"
    match record.outcome:
        case "done":
            return RunState("done", record.run, f"done: {told}")
        case "stopped":
            return RunState("stopped", record.run, f"stopped: {told}; {goes_on(record.kind)}")
        case "failed":
            return RunState("failed", record.run, f"failed: {record.said} ({told})")
        case "wrong-input":
            return RunState("failed", record.run, f"failed, wrong input: {record.said} ({told})")


def goes_on(kind: str) -> str:
    """Name the next command for a job that has ended before it was done."""
    return f"`vrp {kind}` or `vrp submit {kind}` of the same job goes on"


def _read(file: Place, kind: type[Record]) -> Record | None:
    try:
        return kind.model_validate_json(file.read())
    except (MissingFile, ValidationError):
        return None
