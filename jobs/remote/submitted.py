"""vrp jobs, vrp logs, vrp cancel: what became of submitted jobs."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from ray.job_submission import JobDetails, JobSubmissionClient
from rich.console import Console
from rich.table import Table

from jobs.options import AsJson
from jobs.remote.ray_jobs import (
    LOCAL_DASHBOARD,
    Address,
    SubmissionId,
    answered,
    exit_code,
    open_client,
)
from schemas.errors import BadInput


def jobs(address: Address = LOCAL_DASHBOARD, as_json: AsJson = False) -> None:
    """List the jobs that `vrp submit` sent to a cluster, the newest first."""
    client = open_client(address)
    with answered(address):
        found = [job for job in client.list_jobs() if "vrp" in (job.metadata or {})]
    found.sort(key=lambda job: job.start_time or 0, reverse=True)
    table = Table("id", "status", "begun (UTC)", "took", "output")
    for job in found:
        begun, took = _times(job)
        output = (job.metadata or {}).get("output", "")
        table.add_row(job.submission_id, job.status, begun, took, output)
    Console(stderr=as_json, highlight=False).print(table)
    if as_json:
        keys = {"submission_id", "status", "start_time", "end_time", "metadata", "driver_exit_code"}
        typer.echo(json.dumps([job.model_dump(mode="json", include=keys) for job in found]))


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
