"""vrp jobs, vrp logs, vrp cancel: what became of submitted jobs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.options import AsJson
from jobs.remote.ray_jobs import (
    LOCAL_DASHBOARD,
    Address,
    SubmissionId,
    answered,
    exit_code,
    list_jobs,
    open_client,
)
from schemas.errors import BadInput

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient


def jobs(address: Address = LOCAL_DASHBOARD, as_json: AsJson = False) -> None:
    """List the jobs that `vrp submit` sent to a cluster, the newest first."""
    from rich.console import Console
    from rich.table import Table

    found = [job for job in list_jobs(address) if "vrp" in (job["metadata"] or {})]
    found.sort(key=lambda job: job["start_time"] or 0, reverse=True)
    table = Table("id", "status", "begun (UTC)", "took", "output")
    for job in found:
        begun, took = _times(job["start_time"], job["end_time"])
        table.add_row(
            job["submission_id"], job["status"], begun, took, job["metadata"].get("output", "")
        )
    Console(stderr=as_json, highlight=False).print(table)
    if as_json:
        keys = ("submission_id", "status", "start_time", "end_time", "metadata", "driver_exit_code")
        typer.echo(json.dumps([{key: job.get(key) for key in keys} for job in found]))


def _times(start_ms: int | None, end_ms: int | None) -> tuple[str, str]:
    if not start_ms:
        return "", ""
    begun = datetime.fromtimestamp(start_ms / 1000, UTC)
    ended = datetime.fromtimestamp(end_ms / 1000, UTC) if end_ms else datetime.now(UTC)
    return f"{begun:%Y-%m-%d %H:%M:%S}", str(ended - begun).partition(".")[0]


def logs(
    submission: SubmissionId,
    address: Address = LOCAL_DASHBOARD,
    wait: Annotated[bool, typer.Option("--follow", "-f", help="Until the job ends.")] = False,
) -> None:
    """Print what a submitted job's command printed.

    With --follow the exit code is the job's, 1 for one that was stopped.
    """
    client = open_client(address)
    if wait:
        raise typer.Exit(follow(client, submission, address))
    with answered(address):
        typer.echo(client.get_job_logs(submission), nl=False)


def follow(client: JobSubmissionClient, submission: str, address: str) -> int:
    """Print a job's log as it grows until the job ends; return its exit code."""
    import asyncio

    with answered(address):
        client.get_job_info(submission)
        asyncio.run(_print_log(client, submission))
        details = client.get_job_info(submission)
    typer.echo(f"{submission}: {details.status}", err=True)
    return exit_code(details)


async def _print_log(client: JobSubmissionClient, submission: str) -> None:
    async for text in client.tail_job_logs(submission):
        typer.echo(text, nl=False)


def cancel(submission: SubmissionId, address: Address = LOCAL_DASHBOARD) -> None:
    """Stop a submitted job. What it has committed stays; submitting it again goes on."""
    client = open_client(address)
    with answered(address):
        stopped = client.stop_job(submission)
        status = client.get_job_info(submission).status
    if not stopped:
        raise BadInput("a job that has ended", submission, str(status), "one that is still running")
    typer.echo(f"{submission}: asked to stop")
