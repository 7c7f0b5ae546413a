"""vrp label: run a labeling job, or say what it would do."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.options import AsJson, Overrides

if TYPE_CHECKING:
    from rich.table import Table

    from jobs.progress import LabelProgress
    from pipeline.label.check import CheckedJob
    from schemas.commit import Commit


def label(
    job_file: Annotated[Path, typer.Argument(metavar="JOB.yaml")],
    overrides: Overrides = None,
    as_json: AsJson = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="As `vrp plan`: label nothing.")
    ] = False,
) -> None:
    """Label every target image with every category the references show.

    The job's method.type says how: vrp (trained), or gp_sam, persam, persam_f and matcher, which
    need no training. `vrp schema label` shows the keys of each.

    Running the same job again does only what is missing. Exit codes: 0 done, 2 wrong input,
    1 anything else (an interrupted job too: its output is resumable).
    """
    from rich.console import Console

    from jobs.job_file import read_job
    from schemas.label import LabelJob

    console = Console(stderr=as_json, highlight=False)
    job = read_job(LabelJob, job_file, overrides)
    from jobs.plan import describe, print_plan, print_understood
    from jobs.progress import LabelProgress
    from pipeline.label.check import check
    from pipeline.label.disk_space import check_space

    start = time.monotonic()
    checked = check(job)
    check_space(checked)
    if dry_run:
        print_plan(checked, console)
        _finish(as_json, {"dry_run": True, **describe(checked)})
        return
    print_understood(checked, console)
    with LabelProgress(checked, console) as progress:
        try:
            commit = _run(checked, progress)
        except KeyboardInterrupt:
            console.print(
                f"\nstopped after {progress.images} images; what is committed stays. "
                "Run the same command again to go on."
            )
            raise typer.Exit(1) from None
    summary = _summary(checked, commit, progress, time.monotonic() - start)
    console.print(_summary_table(checked, summary))
    _finish(as_json, summary)


def _run(checked: CheckedJob, progress: LabelProgress) -> Commit:
    from jobs.cluster import join_cluster
    from pipeline.cluster.pool import configure_ray_data
    from pipeline.label.run import label as label_collection

    if not checked.done:
        join_cluster()
        configure_ray_data(progress=False)
    return label_collection(checked, progress.add)


def _summary(
    checked: CheckedJob, commit: Commit, progress: LabelProgress, seconds: float
) -> dict[str, object]:
    return {
        **commit.counts.model_dump(),
        "new_images": progress.images,
        "seconds": round(seconds, 2),
        "seconds_by_stage": {
            stage: round(value, 2) for stage, value in progress.seconds.model_dump().items()
        },
        "vanished": list(checked.plan.vanished),
        "random_weights": list(commit.random_weights),
        "output": checked.job.output.uri,
    }


def _summary_table(checked: CheckedJob, summary: dict[str, object]) -> Table:
    from rich.table import Table

    done = "done" if summary["new_images"] else "nothing to do: the job is finished"
    table = Table("", "", title=done, show_header=False)
    for key in ("images", "with_labels", "rejected", "rows", "labelled", "empty", "new_images"):
        table.add_row(key.replace("_", " "), str(summary[key]))
    table.add_row("seconds", f"{summary['seconds']} in all; by stage {summary['seconds_by_stage']}")
    if summary["vanished"]:
        table.add_row("vanished inputs", ", ".join(map(str, checked.plan.vanished[:10])))
    if summary["random_weights"]:
        table.add_row("warning", "random weights: these masks mean nothing")
    table.add_row("output", str(summary["output"]))
    return table


def _finish(as_json: bool, value: dict[str, object]) -> None:
    if as_json:
        typer.echo(json.dumps(value))
