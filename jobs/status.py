"""vrp status: how far a job is, read from its output.

No cluster and no driver is asked; but of a job that was sent and has not begun storage holds
nothing, and only its head can say whether it still will.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.remote.follow import LOST_S
from jobs.remote.ray_jobs import LOCAL_DASHBOARD, Address
from jobs.terminal.look import Look, in_lines, in_one_line, look_at
from jobs.terminal.options import Anonymous, AsJson, EndpointUrl, Region
from schemas.errors import BadStorage

if TYPE_CHECKING:
    from rich.console import Console

    from schemas.job.storage import Storage


def status(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    output: Annotated[
        str, typer.Argument(metavar="OUTPUT|JOB.yaml", help="A job's output, or the job.")
    ],
    watch: Annotated[bool, typer.Option("--watch", help="Until the job is done.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 5.0,
    address: Address = LOCAL_DASHBOARD,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Say how far a job is: what is planned, committed, rejected and left.

    Read from storage alone, so it works while the job runs, after its driver is gone, and from
    anywhere; of a submitted job that has not begun its head is asked too. With --watch it ends when
    the job is done (exit code 0), or when nobody is at work on it any more: it failed, was stopped
    or is lost, or its head does not answer (1).
    """
    from jobs.terminal.console import open_console
    from jobs.terminal.job_file import Destination, read_job
    from schemas.job.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    if output.endswith((".yaml", ".yml")):
        job = read_job(Destination, Path(output))
        output = job.output.uri if job.output else job.embeddings or ""
        storage = job.storage
    console = open_console(as_json)
    look_now = partial(_look, output, storage, address)
    look = _watch(look_now, output, console, every) if watch else look_now()
    if not watch:
        console.print(in_lines(look, output), markup=False)
    if look.found is None and look.run.run is None:
        raise BadStorage("a job that has not begun", output, "nothing there", "an output")
    if as_json:
        status = asdict(look.found) if look.found else {"done": False}
        shown = {"output": output, **status, "run": asdict(look.run)}
        typer.echo(json.dumps(shown, default=_plain))
    if watch and not look.done:
        raise typer.Exit(1)


def _plain(value: Any) -> Any:
    return value.model_dump()  # Counts and Run are the values of a status that JSON does not know


def _look(output: str, storage: Storage, address: str) -> Look:
    look = look_at(output, storage)
    if look.run.unbegun is None:
        return look
    from jobs.remote.unbegun import with_head

    return Look(look.found, with_head(look.run, address))


def _watch(look_now: Callable[[], Look], output: str, console: Console, every: float) -> Look:
    """Look until nothing more comes: lines that change, or without a terminal one a change."""
    from rich.live import Live
    from rich.text import Text

    shown = None
    known = time.monotonic()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            look = look_now()
            if look.run.state != "unknown":
                known = time.monotonic()
            if console.is_terminal:
                live.update(Text(in_lines(look, output)), refresh=True)
            elif (line := in_one_line(look)) != shown:
                console.print(line, markup=False)
                shown = line
            # A head that does not answer may do so again: a tunnel that is opened anew.
            silent = look.run.state == "unknown" and look.run.unbegun is not None
            if look.over and not (silent and time.monotonic() - known < LOST_S):
                break
            time.sleep(every)
    if console.is_terminal:
        console.print(in_lines(look, output), markup=False)
    return look
