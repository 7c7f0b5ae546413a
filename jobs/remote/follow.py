"""Print a job's log as it grows, until the job ends or its head does not answer any more."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from jobs.remote.job_log import Reader
from jobs.remote.ray_jobs import answered, exit_code
from jobs.terminal.look import in_one_line, look_at
from schemas.errors import BadInput

if TYPE_CHECKING:
    from ray.job_submission import JobDetails, JobSubmissionClient

    from schemas.job.storage import Storage

LOST_S = 30.0  # a tunnel that is opened again takes seconds
LOOK_S = 3.0
KILLED = 128 + signal.SIGKILL  # as a shell says what ended its command


@dataclass(frozen=True)
class Followed:
    """A job at a cluster, and where its results go."""

    client: JobSubmissionClient
    submission: str
    address: str
    kind: str
    output: str
    storage: Storage


def find_job(client: JobSubmissionClient, submission: str, address: str) -> Followed:
    """Look a job up. Raises BadInput where there is none of this id."""
    from schemas.job.storage import Storage

    with answered(address):
        about = client.get_job_info(submission).metadata or {}
    storage = Storage(
        endpoint_url=about.get("endpoint_url"),
        region=about.get("region"),
        anonymous=about.get("anonymous") == "true",
    )
    kind, output = about.get("vrp", ""), about.get("output", "")
    return Followed(client, submission, address, kind, output, storage)


def follow(job: Followed, *, verbose: bool, echo: Callable[[str], None]) -> JobDetails:
    """Give a job's log to echo as it grows, until the job ends; return how it ended.

    Raises OSError where the head is lost, with what storage tells of the job.
    """
    import asyncio

    import aiohttp

    reader = Reader(verbose)
    shown = _Position()
    while True:
        # A connection that breaks is the network's fault, or the head's: its next answer says it.
        # Ray has no type of its own for that.
        with suppress(aiohttp.ClientError, RuntimeError):
            asyncio.run(_tail(job, reader, shown, echo))
        details = _details(job)
        if details.status.is_terminal():
            echo(reader.end())
            return details
        time.sleep(LOOK_S)


def tell_end(job: Followed, details: JobDetails) -> int:
    """Print how a job ended to standard error; return its exit code."""
    why = ending_of(details)
    typer.echo(f"{job.submission}: {details.status}{why and f': {why}'}", err=True)
    return exit_code(details)


def ending_of(details: JobDetails) -> str:
    """Return why a job ended, where its log cannot say it: it never began, or was killed whole."""
    from jobs.remote.persist import SUBMIT_AGAIN

    if details.driver_exit_code == KILLED:
        return f"all of it was killed (by SIGKILL: often by the system, for memory). {SUBMIT_AGAIN}"
    if details.driver_exit_code is None and exit_code(details):
        return details.message or ""
    return ""


@dataclass
class _Position:
    """How many characters of a log were taken: one that is followed again begins anew."""

    taken: int = 0


async def _tail(
    job: Followed, reader: Reader, shown: _Position, echo: Callable[[str], None]
) -> None:
    passed = 0
    async for text in job.client.tail_job_logs(job.submission):
        new = text[max(shown.taken - passed, 0) :]
        passed += len(text)
        shown.taken = max(shown.taken, passed)
        echo(reader.feed(new))


def _details(job: Followed) -> JobDetails:
    deadline = time.monotonic() + LOST_S
    while True:
        try:
            with answered(job.address):
                return job.client.get_job_info(job.submission)
        except (BadInput, OSError) as error:
            if time.monotonic() > deadline:
                raise OSError(lost_head(job)) from error
        time.sleep(LOOK_S)


def lost_head(job: Followed) -> str:
    """Say what is known of a job whose head does not answer, and what to do."""
    done = False
    try:
        look = look_at(job.output, job.storage)
        told, done = in_one_line(look), look.done
    except (BadInput, OSError) as error:
        told = f"cannot be asked from here: {str(error).splitlines()[0]}"
    ended = "It has ended if the head died, and goes on if only the way to it is cut"
    after = (
        f"  next:    vrp status {job.output} --watch\n"
        f"           vrp submit {job.kind} JOB.yaml, once a head answers: it goes on where this "
        "one stopped"
    )
    return (
        f"the head at {job.address} has not answered for {LOST_S:.0f} s\n"
        f"  job:     {job.submission}. {'Its output is done' if done else ended}\n"
        f"  storage: {told}\n"
        f"{'  next:    nothing, all of it is committed' if done else after}"
    )
