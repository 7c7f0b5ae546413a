"""vrp jobs, vrp logs, vrp cancel: what became of submitted jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.remote.follow import Followed, find_job, follow, tell_end
from jobs.remote.job_log import Reader
from jobs.remote.ray_jobs import (
    LOCAL_DASHBOARD,
    Address,
    SubmissionId,
    answered,
    exit_code,
    open_client,
)
from jobs.terminal.options import AsJson
from schemas.errors import BadInput, BadStorage

if TYPE_CHECKING:
    from ray.job_submission import JobDetails

STOP_S = 20.0  # Ray kills what has not ended after 3 s
LOOK_S = 1.0
Verbose = Annotated[bool, typer.Option("--verbose", help="Ray's and its workers' lines too.")]


def jobs(address: Address = LOCAL_DASHBOARD, as_json: AsJson = False) -> None:
    """List the jobs that `vrp submit` sent to a cluster, the newest first."""
    from jobs.terminal.console import open_console

    client = open_client(address)
    with answered(address):
        found = [job for job in client.list_jobs() if "vrp" in (job.metadata or {})]
    found.sort(key=lambda job: job.start_time or 0, reverse=True)
    # Not a table: that would cut ids and addresses on a narrow screen.
    open_console(as_json).print(job_lines(found), markup=False)
    if as_json:
        keys = {"submission_id", "status", "start_time", "end_time", "metadata", "driver_exit_code"}
        typer.echo(json.dumps([job.model_dump(mode="json", include=keys) for job in found]))


def job_lines(found: Sequence[JobDetails]) -> str:
    """Return a line for each job, its columns as wide as they must be."""
    rows = [("id", "status", "begun (UTC)", "took", "output")]
    for job in found:
        output = (job.metadata or {}).get("output", "")
        rows.append((job.submission_id or "", str(job.status), *_times(job), output))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _times(job: JobDetails) -> tuple[str, str]:
    if not job.start_time:
        return "", ""
    begun = datetime.fromtimestamp(job.start_time / 1000, UTC)  # Ray's times are in milliseconds
    ended = datetime.fromtimestamp(job.end_time / 1000, UTC) if job.end_time else datetime.now(UTC)
    return f"{begun:%Y-%m-%d %H:%M:%S}", str(ended - begun).partition(".")[0]


def logs(
    submission: SubmissionId,
    address: Address = LOCAL_DASHBOARD,
    wait: Annotated[bool, typer.Option("--follow", "-f", help="Until the job ends.")] = False,
    verbose: Verbose = False,
    as_json: AsJson = False,
) -> None:
    """Print what a submitted job's command printed: times are UTC.

    With --follow the exit code is the job's, 1 for one that was stopped.
    """
    job = find_job(open_client(address), submission, address)
    text: list[str] = []

    def echo(piece: str) -> None:
        text.append(piece)
        typer.echo(piece, nl=False, err=as_json)

    if wait:
        details = follow(job, verbose=verbose, echo=echo)
    else:
        reader = Reader(verbose)
        with answered(address):
            echo(reader.feed(job.client.get_job_logs(submission)) + reader.end())
            details = job.client.get_job_info(submission)
        if reader.hidden and not any(text):
            typer.echo(f"nothing of vrp's own yet; --verbose shows {reader.hidden} lines", err=True)
    code = exit_code(details) if details.status.is_terminal() else None
    if as_json:
        lines = "".join(text).splitlines()
        shown = {"id": submission, "status": details.status, "exit_code": code, "lines": lines}
        typer.echo(json.dumps({**shown, "message": details.message, "output": job.output}))
    if wait:
        raise typer.Exit(tell_end(job, details))


def cancel(submission: SubmissionId, address: Address = LOCAL_DASHBOARD) -> None:
    """Stop a submitted job. What it has committed stays; submitting it again goes on."""
    client = open_client(address)
    job = find_job(client, submission, address)
    with answered(address):
        stopped = client.stop_job(submission)
        status = client.get_job_info(submission).status
    if not stopped:
        raise BadInput("a job that has ended", submission, str(status), "one that is still running")
    typer.echo(f"{submission}: asked to stop")
    if leave_word(job):
        typer.echo(f"{submission}: stopped; what it has committed stays")


def leave_word(job: Followed) -> bool:
    """Wait for a job's end, and say on its output that it was stopped where it could not itself.

    Ray kills a job 3 s after it asked it to end: too soon on a busy machine, and its output would
    call it lost. False where it does not end within STOP_S.
    """
    from jobs.cluster.run_record import leave_ended
    from pipeline.status.run_state import read_ended
    from pipeline.storage.place import Place

    deadline = time.monotonic() + STOP_S
    while True:
        with answered(job.address):
            details = job.client.get_job_info(job.submission)
        if details.status.is_terminal():
            break
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_S)
    if not job.output:
        return True
    # Where this machine cannot write there, the job has still been stopped.
    with suppress(BadStorage, OSError):
        output = Place.open(job.output, job.storage)
        ended = read_ended(output)
        if ended is None or ended.run != job.submission:
            leave_ended(output, job.submission, job.kind, "stopped", "")
    return True
