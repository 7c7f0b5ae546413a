"""vrp label: run a labeling job, or say what it would do."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.cluster.alone import begin_alone, with_workers
from jobs.cluster.run_record import RunRecord
from jobs.terminal.options import AsJson, Overrides, Wait

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.terminal.progress import LabelProgress
    from pipeline.label.check import CheckedJob
    from pipeline.workers.own_process import OwnProcess
    from schemas.record.commit import Commit


REJECTED_SHOWN = 5


def label(
    job_file: Annotated[Path, typer.Argument(metavar="JOB.yaml")],
    overrides: Overrides = None,
    as_json: AsJson = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="As `vrp plan`: label nothing.")
    ] = False,
    wait: Wait = False,
) -> None:
    """Label every target image with every category the references show.

    The job's method.type says how: vrp (trained), or gp_sam, persam, persam_f and matcher, which
    need no training. `vrp schema label` shows the keys of each.

    Running the same job again does only what is missing. Exit codes: 0 done, 2 wrong input,
    1 anything else (an interrupted job too: its output is resumable).
    """
    from jobs.plan import describe, print_plan, print_understood
    from jobs.terminal.console import open_console
    from jobs.terminal.job_file import read_job
    from schemas.job.label import LabelJob

    console = open_console(as_json)
    job = read_job(LabelJob, job_file, overrides)
    start = time.monotonic()
    with (
        nullcontext() if dry_run else begin_alone(job.compute) as alone,
        RunRecord("label", job.output.uri, job.storage) as record,
    ):
        # Only now: they take seconds, which a mistake in the job need not wait for.
        from jobs.terminal.progress import LabelProgress, tell_done
        from pipeline.label.check import check
        from pipeline.label.disk_space import check_space

        checked = check(job)
        check_space(checked)
        if dry_run:
            print_plan(checked, console)
            _finish(as_json, {"dry_run": True, **describe(checked)})
            return
        if not checked.done and record.begin(console, wait=wait):
            checked = check(job)  # the run that was waited for has done some of it
        print_understood(checked, console)
        tell_done(checked, console)
        with LabelProgress(checked, console) as progress:
            commit = _run(checked, alone, progress, console)
    summary = _summary(checked, commit, progress, time.monotonic() - start)
    _print_summary(checked, summary, console)
    _finish(as_json, summary)


def _run(
    checked: CheckedJob, alone: OwnProcess | None, progress: LabelProgress, console: Console
) -> Commit:
    from pipeline.label.run import label as label_collection

    try:
        return with_workers(
            alone,
            checked.unfinished,
            console,
            lambda workers: label_collection(checked, progress.add, workers),
        )
    except KeyboardInterrupt:
        console.print(
            f"\nstopped after {progress.images} images; what is committed stays. "
            "Run the same command again to go on."
        )
        raise typer.Exit(1) from None


def _summary(
    checked: CheckedJob, commit: Commit, progress: LabelProgress, seconds: float
) -> dict[str, Any]:
    from pipeline.output.committed import first_rejected

    rejected = first_rejected(checked.output, commit, REJECTED_SHOWN)
    return {
        **commit.counts.model_dump(),
        "first_rejected": [
            f"{row['image_id']}: {row['reason']}: {row['message']}" for row in rejected
        ],
        "new_images": progress.images,
        "taken_rows": progress.taken,
        "seconds": round(seconds, 2),
        "seconds_by_stage": {
            stage: round(value, 2) for stage, value in progress.seconds.model_dump().items()
        },
        "moved": len(checked.plan.moved),
        "vanished": list(checked.plan.vanished),
        "random_weights": list(commit.random_weights),
        "output": checked.job.output.uri,
    }


def _print_summary(checked: CheckedJob, summary: dict[str, Any], console: Console) -> None:
    """Print a line for each fact: a table would cut a long address on a narrow screen."""
    from pipeline.label.preview import said_of_moved

    done = "done" if summary["new_images"] else "nothing to do: the job is finished"
    facts = [("state", done)]
    for key in ("images", "with_labels", "rejected", "rows", "labelled", "empty", "new_images"):
        facts.append((key.replace("_", " "), str(summary[key])))
        if key == "rejected":
            named = summary["first_rejected"]
            facts += [("", text) for text in named]
            if (more := summary["rejected"] - len(named)) > 0:
                facts.append(("", f"and {more} more, which `vrp report` names"))
    if summary["review"]:
        facts.append(("for review", f"{summary['review']}, in no export until accepted"))
    if checked.earlier is not None:
        facts.append(("taken rows", f"{summary['taken_rows']} from {checked.earlier.uri}"))
    facts.append(("seconds", f"{summary['seconds']}; by stage {summary['seconds_by_stage']}"))
    if checked.plan.moved:
        facts.append(("moved inputs", f"{summary['moved']} {said_of_moved(checked.plan)}"))
    if summary["vanished"]:
        facts.append(("vanished inputs", ", ".join(map(str, checked.plan.vanished[:10]))))
    if summary["random_weights"]:
        facts.append(("warning", "random weights: these masks mean nothing"))
    facts.append(("output", str(summary["output"])))
    for name, text in facts:
        console.print(f"{name:<16}{text}", markup=False, soft_wrap=True)


def _finish(as_json: bool, value: dict[str, object]) -> None:
    if as_json:
        typer.echo(json.dumps(value))
