"""vrp check: say what a job's references are worth, before anything is labelled with them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.terminal.options import AsJson, Overrides
from jobs.terminal.requirement import read_requirements

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.inputs.shards import EncodedImage
    from pipeline.references.check import Checked, Expected
    from schemas.job.label import LabelJob
    from schemas.record.presence import PresenceHead


def check(
    job_file: Annotated[Path, typer.Argument(metavar="JOB.yaml")],
    overrides: Overrides = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=LEAST", help="iou=0.5: every category must be expected to reach it."
        ),
    ] = None,
    sample: Annotated[
        int, typer.Option(min=0, help="Images of the collection that are read; 0: none.")
    ] = 24,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a page too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for each reference by the others: what to expect, which to drop, what to add.

    Runs in this process, on a CPU unless compute.gpus_per_actor is a number; reads a few images of
    the collection and writes nothing but the page. Exit codes: 0 fine, 1 a category below what is
    required, or that cannot be told, 2 wrong input.
    """
    from jobs.terminal.console import open_console
    from jobs.terminal.job_file import read_job
    from pipeline.label.references import read_references
    from pipeline.presence.study import load_study_and_look
    from pipeline.references.check import check_references, with_collection
    from pipeline.references.collection import sampled
    from pipeline.references.page import page_of
    from schemas.job.label import LabelJob

    job = read_job(LabelJob, job_file, overrides)
    least = read_requirements(require or (), ("iou",)).get("iou")
    categories = job.numbered_categories()
    read = read_references(job.references, categories, job.limits, job.storage)
    names = {category.id: category.name for category in categories}
    encoded = _read_sample(job, sample)
    study, look = load_study_and_look(job, job.compute.gpus_named, remembered=2 * len(read))
    checked = check_references(study, [reference.loaded for reference in read], names)
    images = tuple(sampled(encoded, study, look, checked.kept, job.limits, _head(job)))
    checked = with_collection(checked, images, look)
    said_by_id = {reference.loaded.id: reference.said for reference in read}
    if html is not None:
        html.write_text(page_of(job_file.name, checked, said_by_id, images))
    print_checked(checked, said_by_id, len(images), open_console(as_json))
    if as_json:
        typer.echo(json.dumps({**_described(checked, said_by_id), "images": len(images)}))
    if least is not None and not all(_reaches(one.as_it_is, least) for one in checked.categories):
        raise typer.Exit(1)


def _reaches(expected: Expected, least: float) -> bool:
    return expected.iou is not None and expected.iou >= least


def _described(checked: Checked, said_by_id: dict[str, str]) -> dict[str, object]:
    return {
        "categories": [
            {
                "category": one.category,
                "as_it_is": asdict(one.as_it_is),
                "without_dropped": asdict(one.without_dropped),
                "next": [image.image_id for image in one.advised],
            }
            for one in checked.categories
        ],
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


def _read_sample(job: LabelJob, count: int) -> list[EncodedImage]:
    from pipeline.inputs.sample import choose_sample, read_sample
    from pipeline.inputs.sources import plan_inputs

    if count == 0:
        return []
    inputs = plan_inputs(job.targets, job.storage, job.compute.images_per_unit)
    return list(read_sample(choose_sample(inputs.shards, count), job))[:count]


def _head(job: LabelJob) -> PresenceHead | None:
    """Return the head of the job's method; None where there is none, and the job names none."""
    from pipeline.presence.heads import head_of
    from schemas.errors import BadInput

    try:
        return head_of(job)
    except BadInput:
        if job.presence_head is not None:
            raise
        return None


def print_checked(
    checked: Checked, said_by_id: dict[str, str], images: int, console: Console
) -> None:
    """Print the table, then what is wrong with references, then what to annotate next."""
    from rich.table import Table

    from pipeline.references.page import advice, interval

    table = Table("category", "references", "expected IoU", "without what is better dropped")
    for one in checked.categories:
        dropped = one.as_it_is.references - one.without_dropped.references
        better = interval(one.without_dropped) if dropped else ""
        count = f"{one.as_it_is.references}" + (f", drop {dropped}" if dropped else "")
        table.add_row(one.category, count, interval(one.as_it_is), better)
    console.print(table)
    lines = [f"{said_by_id[one.reference]}\n    {advice(one)}" for one in checked.faults]
    lines = lines or ["no reference contradicts, vanishes, repeats another or is cut off"]
    for one in checked.categories:
        for image in one.advised:
            lines.append(f"next for {one.category}: {image.image_id}")
    for line in [*lines, f"{images} images of the collection read"]:
        console.print(line, markup=False, soft_wrap=True)
