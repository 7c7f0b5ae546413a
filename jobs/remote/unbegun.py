"""A job that was sent and has not begun becomes what its head says of it: storage holds nothing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobs.cluster.run_record import SAID_CHARACTERS
from jobs.remote.ray_jobs import ask_once
from pipeline.status.run_state import RunState, goes_on
from schemas.errors import BadInput
from schemas.record.at_work import Submitted


def with_head(run: RunState, address: str) -> RunState:
    """Ask the head of a job that was sent and has not begun what became of it."""
    job = run.unbegun
    if job is None:
        return run
    if job.head not in {None, address.rstrip("/")}:
        # Not asked there: a token of this user goes where the user says, not where storage does.
        return replace(run, says=f"{run.says}; its head is {job.head}, ask it with --address")
    try:
        told = ask_once(address, job.run)
    except BadInput as error:
        says = (
            f"unknown: {job.run}, sent {job.at}, had not begun, and its head at {address} cannot "
            f"be asked ({error.got}). If it has died the job has ended: {goes_on(job.kind)}"
        )
        return replace(run, state="unknown", says=says)
    if told is None:
        says = f"lost: {job.run}, sent {job.at}, had not begun, and the head at {address} does not "
        return replace(run, state="lost", unbegun=None, says=f"{says}know it; {goes_on(job.kind)}")
    return _as_told(run, job, told)


def _as_told(run: RunState, job: Submitted, told: Mapping[str, Any]) -> RunState:
    status = told["status"]
    match status:
        case "PENDING" | "RUNNING":
            does = "waits for the head to start it" if status == "PENDING" else "checks its inputs"
            says = f"submitted: {job.run}, sent {job.at}, {does} (`vrp logs -f {job.run}`)"
            return replace(run, state="submitted", says=says)
        case "SUCCEEDED":
            return RunState("done", job.run, f"done: {job.run}")
        case "STOPPED":
            return RunState("stopped", job.run, f"stopped: {job.run}; {goes_on(job.kind)}")
        case _:
            why = str(told.get("message") or "").strip().partition("\n")[0][:SAID_CHARACTERS]
            says = f"failed: {job.run} before its work began: {why}; `vrp logs {job.run}` has more"
            return RunState("failed", job.run, says)
