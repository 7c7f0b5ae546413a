"""vrp check: say what a job's references are worth, before anything is labelled with them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.terminal.options import AsJson, Overrides
from jobs.terminal.requirement import read_requirement

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.references.check import Checked, Expected


def check(
    job_file: Annotated[Path, typer.Argument(metavar="JOB.yaml")],
    overrides: Overrides = None,
    require: Annotated[
        str | None, typer.Option(help="iou=0.5: every category must be expected to reach it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for each reference by the others: what to expect, which contradict, which to drop.

    Runs in this process, on a CPU unless compute.gpus_per_actor is a number; reads no target and
    writes nothing. Exit codes: 0 fine, 1 a category below what is required, or that cannot be
    told, 2 wrong input.
    """
    from jobs.terminal.console import open_console
    from jobs.terminal.job_file import read_job
    from pipeline.label.references import read_references
    from pipeline.presence.study import load_study
    from pipeline.references.check import check_references
    from schemas.job.label import LabelJob

    job = read_job(LabelJob, job_file, overrides)
    least = None if require is None else read_requirement(require, ("iou",))[1]
    categories = job.numbered_categories()
    read = read_references(job.references, categories, job.limits, job.storage)
    study = load_study(job, job.compute.gpus_named, remembered=2 * len(read))
    checked = check_references(
        study,
        [reference.loaded for reference in read],
        {category.id: category.name for category in categories},
    )
    said_by_id = {reference.loaded.id: reference.said for reference in read}
    _print(checked, said_by_id, open_console(as_json))
    if as_json:
        typer.echo(json.dumps(_described(checked, said_by_id)))
    if least is not None and not all(_reaches(one.as_it_is, least) for one in checked.categories):
        raise typer.Exit(1)


def _reaches(expected: Expected, least: float) -> bool:
    return expected.iou is not None and expected.iou >= least


def _described(checked: Checked, said_by_id: dict[str, str]) -> dict[str, object]:
    return {
        "categories": [asdict(one) for one in checked.categories],
        "references": [
            {
                "id": reference.id,
                "said": said_by_id[reference.id],
                "iou": checked.iou_by_id.get(reference.id),
            }
            for reference in checked.references
        ],
        "faults": [{**asdict(fault), "drop": fault.drop} for fault in checked.faults],
        "drop": sorted({fault.reference for fault in checked.faults if fault.drop}),
    }


def _print(checked: Checked, said_by_id: dict[str, str], console: Console) -> None:
    from rich.table import Table

    table = Table("category", "references", "expected IoU", "without what is better dropped")
    for one in checked.categories:
        dropped = one.as_it_is.references - one.without_dropped.references
        better = _interval(one.without_dropped) if dropped else ""
        count = f"{one.as_it_is.references}" + (f", drop {dropped}" if dropped else "")
        table.add_row(one.category, count, _interval(one.as_it_is), better)
    console.print(table)
    for fault in checked.faults:
        advice = "drop it" if fault.drop else "keep it"
        console.print(
            f"{said_by_id[fault.reference]}\n    {fault.kind.replace('_', ' ')}, {advice}: "
            f"{fault.said}",
            markup=False,
            soft_wrap=True,
        )
    if not checked.faults:
        console.print("no reference contradicts, vanishes, repeats another or is cut off")


def _interval(expected: Expected) -> str:
    if expected.iou is None:
        return "too few masks or boxes to tell"
    return f"{expected.iou:.2f} [{expected.low:.2f}, {expected.high:.2f}]"
