"""vrp status: how far a job is, read from its output; no cluster and no driver is asked."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ConfigDict

from jobs.options import Anonymous, AsJson, EndpointUrl, Region
from schemas.errors import BadStorage
from schemas.spec import Spec, Uri
from schemas.storage import Output, Storage

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.status.find import Status
    from pipeline.status.labeling import LabelStatus
    from pipeline.status.run_state import RunState
    from pipeline.status.training import TrainStatus


class _Destination(Spec):
    """What any job says of where its results go; its other keys are for its own command."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    output: Output | None = None
    embeddings: Uri | None = None
    storage: Storage = Storage()


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
    anywhere. With --watch it ends when the job is done (exit code 0), or when nobody is at work on
    it any more: it failed, was stopped or is lost (1).
    """
    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    from jobs.job_file import read_job

    if output.endswith((".yaml", ".yml")):
        job = read_job(_Destination, Path(output))
        output = job.output.uri if job.output else job.embeddings or ""
        storage = job.storage
    from jobs.terminal import open_console

    console = open_console(as_json)
    look = _watch(output, storage, console, every) if watch else look_at(output, storage)
    if not watch:
        console.print(_lines(look, output), markup=False)
    if look.found is None and look.run.state == "unknown":
        raise BadStorage("a job that has not begun", output, "nothing there", "an output")
    if as_json:
        status = asdict(look.found) if look.found else {"done": False}
        shown = {"output": output, **status, "run": asdict(look.run)}
        typer.echo(json.dumps(shown, default=_plain))
    if watch and not look.done:
        raise typer.Exit(1)


@dataclass(frozen=True)
class Look:
    """What storage says at one moment: how far the job is, and what of its last run."""

    found: Status | None
    run: RunState

    @property
    def done(self) -> bool:
        return self.found is not None and self.found.done

    @property
    def over(self) -> bool:
        from pipeline.status.run_state import OVER

        return self.done or self.run.state in OVER


def look_at(output: str, storage: Storage) -> Look:
    """Read how far a job is from its output. Raises BadStorage."""
    from pipeline.status.find import read_status

    found = read_status(output, storage)
    from pipeline.status.run_state import RunState

    if found is not None and found.done:
        return Look(found, RunState("done", None, "done"))
    from pipeline.status.run_state import read_run_state
    from pipeline.storage.place import Place

    return Look(found, read_run_state(Place.open(output, storage)))


def _plain(value: Any) -> Any:
    return value.model_dump()  # Counts and Run are the values of a status that JSON does not know


def _watch(output: str, storage: Storage, console: Console, every: float) -> Look:
    """Look until nothing more comes: lines that change, or without a terminal one a change."""
    shown = None
    from rich.live import Live
    from rich.text import Text

    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            look = look_at(output, storage)
            if console.is_terminal:
                live.update(Text(_lines(look, output)), refresh=True)
            elif (line := in_one_line(look)) != shown:
                console.print(line, markup=False)
                shown = line
            if look.over:
                break
            time.sleep(every)
    if console.is_terminal:
        console.print(_lines(look, output), markup=False)
    return look


def in_one_line(look: Look) -> str:
    """Say how far a job is."""
    return ", ".join(f"{name} {text}" for name, text in _facts(look))


def _lines(look: Look, output: str) -> str:
    """Return a line for each fact: a table would cut an address or an id on a narrow screen."""
    return "\n".join([output, *(f"  {name:<26}  {text}" for name, text in _facts(look))])


def _facts(look: Look) -> list[tuple[str, str]]:
    """Return what a person wants to know of a job, in the order of importance."""
    state, *others = _job_facts(look.found)
    from pipeline.status.find import EmbedStatus

    if look.done or isinstance(look.found, EmbedStatus):
        return [state, *others]
    return [state, ("last run", look.run.says), *others]


def _job_facts(found: Status | None) -> list[tuple[str, str]]:
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
    from jobs.progress import at_most

    facts = [
        ("state", _state(found.done)),
        ("shards", f"{found.shards_finished} of {found.shards}"),
        ("units committed", str(found.units)),
        ("units at work, or left so", str(len(found.units_at_work))),
        ("images", at_most(least, most)),
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
