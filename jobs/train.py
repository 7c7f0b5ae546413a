"""vrp train: train the VRP encoder on one or more folds, or go on where a run stopped."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.terminal.options import AsJson, Overrides, Preset, Wait, with_preset

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.cluster.run_record import RunRecord
    from jobs.terminal.pace import Pace
    from jobs.terminal.seldom import Seldom
    from pipeline.train.check import CheckedTraining
    from schemas.job.train import FoldResult, TrainProgress


def train(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    job_file: Annotated[Path, typer.Argument(metavar="JOB.yaml")],
    folds: Annotated[
        list[int] | None, typer.Option("--fold", help="0 to 3, may be repeated; default 0.")
    ] = None,
    preset: Preset = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, print the plan, train nothing.")
    ] = False,
    wait: Wait = False,
) -> None:
    """Train the VRP encoder; folds share the cluster, as many at once as fit.

    Running the same command again goes on from the last checkpoint; a finished fold is left as it
    is. Exit codes: 0 done, 2 wrong input, 1 anything else.
    """
    from jobs.terminal.console import open_console
    from jobs.terminal.job_file import read_job
    from schemas.job.train import TrainJob

    console = open_console(as_json)
    job = read_job(TrainJob, job_file, with_preset(preset, overrides))
    # Only now: they take seconds, which a mistake in the job need not wait for.
    from jobs.cluster.run_record import RunRecord
    from pipeline.train.check import check

    with RunRecord("train", job.output.uri, job.storage) as record:
        checked = check(job, folds or [0])
        _print_plan(checked, console)
        if dry_run:
            return
        results = _run(checked, record, console, wait=wait)
    for result in results:
        miou = "nothing held out" if result.best_miou is None else f"mIoU {result.best_miou:.4f}"
        console.print(
            f"fold {result.fold}: {result.episodes} episodes, loss {result.last_loss:.4f}, "
            f"kept step {result.best_step} ({miou}): {result.weights}",
            soft_wrap=True,
        )
    if as_json:
        typer.echo(json.dumps([result.model_dump() for result in results]))


def _run(
    checked: CheckedTraining, record: RunRecord, console: Console, *, wait: bool
) -> tuple[FoldResult, ...]:
    from jobs.cluster.connect import join_cluster
    from jobs.cluster.node_events import watch_nodes
    from pipeline.train.check import check
    from pipeline.train.run import train as train_folds

    if len(checked.results) == len(checked.runs):
        return train_folds(checked, lambda _: None)
    if record.begin(console, wait=wait):
        # The run that was waited for has done some of it.
        checked = check(checked.job, [run.fold.number for run in checked.runs])
    join_cluster()
    try:
        with watch_nodes(console):
            return train_folds(checked, FoldLines(console).show)
    except KeyboardInterrupt:
        console.print("\nstopped; run the same command again to go on from the last checkpoint")
        raise typer.Exit(1) from None


class FoldLines:
    """Prints a line for a fold now and then, and for every checkpoint that was judged."""

    def __init__(self, console: Console) -> None:
        from jobs.terminal.seldom import Seldom

        self._console = console
        self._seldom: defaultdict[int, Seldom] = defaultdict(Seldom)
        self._begun: dict[int, float] = {}
        self._steps: dict[int, int] = {}
        self._paces: dict[int, Pace] = {}

    def show(self, progress: TrainProgress) -> None:
        """Tell of a fold's steps, and of workers that began anew."""
        from jobs.terminal.pace import Pace

        fold = progress.fold
        before = self._begun.get(fold)
        if before != progress.begun:
            self._begun[fold] = progress.begun
            self._steps[fold], self._paces[fold] = progress.begun_at, Pace()
            if before is not None:
                self._console.print(
                    f"fold {fold}: a worker died; going on from step {progress.begun_at}"
                )
            elif progress.begun_at:
                self._console.print(
                    f"fold {fold}: going on: {progress.begun_at} of {progress.steps} steps already "
                    "done"
                )
        self._paces[fold].add(progress.step - self._steps[fold])
        self._steps[fold] = progress.step
        due = self._seldom[fold].due()
        miou = progress.held_out_miou
        if due or miou is not None or progress.step == progress.steps:
            judged = "" if miou is None else f", held-out mIoU {miou:.4f}"
            self._console.print(
                f"fold {progress.fold} step {progress.step}/{progress.steps}: "
                f"loss {progress.loss:.4f}, lr {progress.learning_rate:.2e}, "
                f"{progress.episodes_per_s:.1f} episodes/s on {progress.workers} "
                f"worker{'s' if progress.workers != 1 else ''}"
                f"{self._paces[fold].to_go(progress.steps - progress.step)}{judged}",
                soft_wrap=True,
            )


def _print_plan(checked: CheckedTraining, console: Console) -> None:
    """Print a line for each fold: a table is no line of a log."""
    for run in checked.runs:
        batch = run.schedule.batch
        parts = [
            f"{len(run.index.images)} images of {len(run.pool.categories)} categories",
            f"{run.schedule.steps} steps of {batch} episodes",
        ]
        if run.fold.novel:
            parts.append(f"{len(run.fold.novel)} categories held back as novel")
        if run.store is not None:
            parts.append(f"{len(run.store)} embeddings in the store")
        if run.fold.number in checked.results:
            parts.append("finished")
        console.print(f"fold {run.fold.number}: {', '.join(parts)}")
        if (found := checked.found.get(run.fold.number)) and found.damaged:
            start = f"step {found.newest[1].step}" if found.newest else "the beginning"
            torn = ", ".join(found.damaged)
            console.print(
                f"fold {run.fold.number}: checkpoint {torn} is damaged, going on from {start}",
                markup=False,
                soft_wrap=True,
            )
    problems = checked.runs[0].index.commit.problems
    if problems:
        where = f"{checked.job.index}/problems.parquet"
        console.print(f"{problems} problems listed in {where}", markup=False)
