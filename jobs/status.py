"""vrp status: how far a job is, read from its output; no cluster and no driver is asked."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.options import Anonymous, AsJson, EndpointUrl, Region
from schemas.errors import BadStorage

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from pipeline.status.find import Status
    from pipeline.status.labeling import LabelStatus
    from pipeline.status.training import TrainStatus
    from schemas.storage import Storage


def status(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    output: Annotated[
        str, typer.Argument(metavar="OUTPUT|JOB.yaml", help="A job's output, or the job.")
    ],
    watch: Annotated[bool, typer.Option("--watch", help="Until the job is done.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 5.0,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Say how far a job is: what is planned, committed, rejected and left.

    Read from storage alone, so it works while the job runs, after its driver is gone, and from
    anywhere. With --watch it ends when the job is done.
    """
    from jobs.job_file import read_job
    from schemas.destination import Destination
    from schemas.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    if output.endswith((".yaml", ".yml")):
        job = read_job(Destination, Path(output))
        output = job.output.uri if job.output else job.embeddings or ""
        storage = job.storage
    from rich.console import Console

    from pipeline.status.find import read_status

    console = Console(stderr=as_json, highlight=False)
    if watch:
        found = _watch(output, storage, console, every)
    else:
        found = read_status(output, storage)
        console.print(_table(found, output))
    if found is None:
        raise BadStorage("a job that has not begun", output, "nothing there", "an output")
    if as_json:
        typer.echo(json.dumps({"output": output, **asdict(found)}, default=_plain))


def _plain(value: Any) -> Any:
    return value.model_dump()  # Counts and Run are the values of a status that JSON does not know


def _watch(output: str, storage: Storage, console: Console, every: float) -> Status:
    """Look until the job is done: a table that changes, or without a terminal a line a change."""
    from rich.live import Live

    from pipeline.status.find import read_status

    shown = None
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            found = read_status(output, storage)
            if console.is_terminal:
                live.update(_table(found, output), refresh=True)
            elif (line := _line(found)) != shown:
                console.print(line, soft_wrap=True)
                shown = line
            if found is not None and found.done:
                break
            time.sleep(every)
    if console.is_terminal:
        console.print(_table(found, output))
    return found


def _line(found: Status | None) -> str:
    return ", ".join(f"{name} {text}" for name, text in _facts(found))


def _table(found: Status | None, output: str) -> Table:
    from rich.table import Table

    table = Table("", "", title=output, show_header=False)
    for name, text in _facts(found):
        table.add_row(name, text)
    return table


def _facts(found: Status | None) -> list[tuple[str, str]]:
    """Return what a person wants to know of a job, in the order of importance."""
    from pipeline.status.find import EmbedStatus, EvaluateStatus
    from pipeline.status.labeling import LabelStatus
    from pipeline.status.training import TrainStatus

    match found:
        case None:
            return [("state", "not begun")]
        case LabelStatus():
            return _label_facts(found)
        case TrainStatus():
            return _train_facts(found)
        case EmbedStatus():
            units = [(f"units of {key}", str(count)) for key, count in found.units.items()]
            return [("state", "a store"), *units, ("size", f"{found.bytes / 2**20:.1f} MiB")]
        case EvaluateStatus():
            return [("state", _state(found.done)), ("parts", str(found.parts))]


def _state(done: bool) -> str:
    return "done" if done else "not finished"


def _label_facts(found: LabelStatus) -> list[tuple[str, str]]:
    least, most = found.images_least, found.images_most
    facts = [
        ("state", _state(found.done)),
        ("shards", f"{found.shards_finished} of {found.shards}"),
        ("units committed", str(found.units)),
        ("units at work, or left so", str(len(found.units_at_work))),
        ("images", str(least) if least == most else f"{least} to {most}"),
        ("units with rejected images", str(found.units_with_rejected)),
    ]
    if found.counts:
        counts = found.counts.model_dump().items()
        facts.append(("commit", ", ".join(f"{key.replace('_', ' ')} {n}" for key, n in counts)))
    for run in found.runs:
        pace = run.images / max(run.seconds, 1e-9)
        facts.append(
            (f"run of {run.begun}", f"{run.images} images in {run.seconds:.0f} s, {pace:.1f}/s")
        )
    return facts


def _train_facts(found: TrainStatus) -> list[tuple[str, str]]:
    facts = [("state", _state(found.done))]
    for fold in found.folds:
        parts = [f"step {fold.step}" + (f" of {found.steps}" if found.steps else "")]
        if fold.loss is not None:
            parts.append(f"loss {fold.loss:.4f}")
        if fold.held_out_miou is not None:
            parts.append(f"held-out mIoU {fold.held_out_miou:.4f}")
        if fold.episodes_per_s is not None:
            parts.append(f"{fold.episodes_per_s:.1f} episodes/s on {fold.workers} workers")
        if fold.weights is not None:
            parts.append(f"finished: {fold.weights}")
        facts.append((f"fold {fold.fold}", ", ".join(parts)))
    return facts
