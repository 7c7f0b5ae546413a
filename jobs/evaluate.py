"""vrp evaluate: score methods on the same episodes of a dataset, or go on where a run stopped."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.terminal.options import AsJson, Overrides, Preset, Wait, with_preset

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from pipeline.evaluate.actor import ScoredUnit
    from pipeline.evaluate.check import CheckedEvaluation


def evaluate(
    job_file: Annotated[Path, typer.Argument(metavar="JOB.yaml")],
    preset: Preset = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, print the plan, score nothing.")
    ] = False,
    wait: Wait = False,
) -> None:
    """Score every method of the job on the same references and targets, and compare them.

    Running the same job again does only what is missing; a method added to it, or trained anew, is
    run alone. Exit codes: 0 done, 2 wrong input, 1 anything else (an interrupted job too).
    """
    from jobs.terminal.console import open_console
    from jobs.terminal.job_file import read_job
    from schemas.job.evaluate import EvaluateJob

    console = open_console(as_json)
    start = time.monotonic()
    job = read_job(EvaluateJob, job_file, with_preset(preset, overrides))
    # Only now: they take seconds, which a mistake in the job need not wait for.
    from jobs.cluster.run_record import RunRecord
    from pipeline.evaluate.check import check
    from pipeline.evaluate.result import publish, read_scores

    with RunRecord("evaluate", job.output.uri, job.storage) as record:
        checked = check(job)
        print_plan(checked, console)
        if dry_run:
            return
        if _Lines(console, checked).left and record.begin(console, wait=wait):
            checked = check(job)  # the run that was waited for has done some of it
        _run(checked, console)
        publish(checked)
    scores = read_scores(checked)
    console.print(_score_table(scores))
    console.print(f"{time.monotonic() - start:.0f} s; {checked.job.output.uri}/results.md")
    if as_json:
        typer.echo(json.dumps({"output": checked.job.output.uri, "scores": scores}))


def _run(checked: CheckedEvaluation, console: Console) -> None:
    from jobs.cluster.connect import join_cluster
    from jobs.cluster.node_events import watch_nodes
    from pipeline.evaluate.run import evaluate as evaluate_methods

    lines = _Lines(console, checked)
    if lines.left:
        join_cluster()
    try:
        with watch_nodes(console):
            evaluate_methods(checked, lines.show)
    except KeyboardInterrupt:
        console.print("\nstopped; run the same command again to do the rest")
        raise typer.Exit(1) from None


def print_plan(checked: CheckedEvaluation, console: Console) -> None:
    """Say how many episodes each fold has, and what each method still has to do."""
    names = {category.id: category.name for category in checked.index.commit.categories}
    for fold in checked.folds:
        few = ", ".join(names[number] for number in fold.too_few)
        console.print(
            f"fold {fold.number}: {len({e.number for e in fold.episodes})} distinct episodes of "
            f"{len({e.category_id for e in fold.episodes})} categories"
            + (f"; in too few images: {few}" if few else ""),
            markup=False,
        )
    for name in checked.job.methods:
        todo = sum(name in checked.missing(unit) for unit in checked.units)
        console.print(f"{name}: {todo} of {len(checked.units)} units to do", markup=False)


class _Lines:
    """Prints a line now and then: parts committed, and how long the rest may take."""

    def __init__(self, console: Console, checked: CheckedEvaluation) -> None:
        from jobs.terminal.pace import Pace
        from jobs.terminal.seldom import Seldom

        self.left = sum(len(checked.missing(unit)) for unit in checked.units)
        self._console = console
        self._todo = self.left
        self._seldom = Seldom(time.monotonic())
        self._pace = Pace()

    def show(self, done: ScoredUnit) -> None:
        """Count one committed unit."""
        self.left -= len(done.methods)
        self._pace.add(len(done.methods))
        if self._seldom.due():
            finished = self._todo - self.left
            self._console.print(f"{finished} of {self._todo} parts{self._pace.to_go(self.left)}")


def _score_table(scores: list[dict[str, Any]]) -> Table:
    """Return the means over folds: of masks, and of presence where its probability was asked."""
    from rich.table import Table

    names = {"mIoU 512": "miou_grid", "mIoU": "miou", "FB-IoU 512": "fb_iou_grid"}
    names["boundary IoU"] = "boundary_iou"
    known = {row["metric"] for row in scores if row["value"] is not None}
    if "calibration_error" in known:
        names["AUROC"] = "presence_auroc"
        names["false masks at 95 % recall"] = "false_masks_at_95_recall"
        names["calibration error"] = "calibration_error"
    if "miou_kept" in known:
        names["exact ratio"] = "exact_ratio"
        names["mIoU kept"] = "miou_kept"
    table = Table("method", "format", "shots", *names)
    rows: dict[tuple[str, ...], dict[str, float | None]] = {}
    for row in scores:
        growth = f" {row['mask_growth_px']:+d} px" if row["mask_growth_px"] else ""
        key = (row["method"], row["format"] + growth, str(row["shots"]))
        rows.setdefault(key, {})[row["metric"]] = row["value"]
    for key, values in rows.items():
        shown = [values[metric] for metric in names.values()]
        table.add_row(*key, *("" if value is None else f"{value:.3f}" for value in shown))
    return table
