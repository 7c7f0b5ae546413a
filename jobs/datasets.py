"""vrp datasets: say whether a data set is there as its distributor ships it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.terminal.options import Anonymous, AsJson, EndpointUrl, Region
from schemas.names import LayoutName

if TYPE_CHECKING:
    from pipeline.datasets.check import Checked

datasets_app = typer.Typer(help="Check the data sets of evaluations.", no_args_is_help=True)
SHOWN = 20  # single files and annotations that are wrong; a wrong folder may hold thousands


@datasets_app.callback()
def datasets() -> None:
    """Check the data sets of evaluations."""


@datasets_app.command()
def check(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    path: Annotated[str, typer.Argument(metavar="PATH", help="A folder, or s3://bucket/prefix.")],
    type_: Annotated[
        LayoutName | None, typer.Option("--type", help="Left out: what the folder looks like.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Left out: the one to evaluate on.")] = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Say what is missing of a data set, count what is there, and print a job's `dataset`.

    Reads every mask, and of every image the header. Exit codes: 0 whole, 1 something is missing or
    wrong (each is printed), 2 wrong input.
    """
    from rich.console import Console

    from pipeline.datasets.check import check_dataset
    from schemas.job.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    checked = check_dataset(path, storage, type_, split)
    Console(stderr=as_json, highlight=False).print(
        "\n".join(_lines(checked)), markup=False, soft_wrap=True
    )
    if as_json:
        typer.echo(json.dumps(_summary(checked)))
    if not checked.whole:
        raise typer.Exit(1)


def _lines(checked: Checked) -> list[str]:
    from pipeline.datasets.layouts import LAYOUTS

    layout = LAYOUTS[checked.layout]
    lines = [f"{checked.layout}, split {checked.split}: {layout.source}"]
    for fault in checked.faults:
        lines += [fault.what, f"  where:  {fault.where}"]
        lines += [f"  got:    {fault.got}", f"  wanted: {fault.wanted}"]
    for problem in checked.problems[:SHOWN]:
        lines.append(f"{problem.reason}: {problem.uri}: {problem.message}")
    if len(checked.problems) > SHOWN:
        lines.append(f"… and {len(checked.problems) - SHOWN} more: {checked.reasons}")
    of = f" cut out of {checked.photos} photos" if checked.photos < checked.images else ""
    lines.append(f"images: {checked.images}{of}")
    lines.append(f"classes: {checked.classes}, {checked.classes_shown} of them shown")
    lines.append(f"masks: {checked.masks}")
    lines.append(f"protocol: {layout.protocol}{f'; {layout.remark}' if layout.remark else ''}")
    # JSON is YAML: the line can stand in a job as it is.
    spec = checked.dataset.model_dump_json(exclude_defaults=False, exclude_none=True)
    lines.append(f"dataset: {spec}")
    return lines


def _summary(checked: Checked) -> dict[str, object]:
    return {
        "type": checked.layout,
        "split": checked.split,
        "whole": checked.whole,
        "missing": [vars(fault) for fault in checked.faults],
        "problems": checked.reasons,
        "images": checked.images,
        "photos": checked.photos,
        "classes": checked.classes,
        "classes_shown": checked.classes_shown,
        "masks": checked.masks,
        "states": checked.states,
        "dataset": checked.dataset.model_dump(mode="json", exclude_none=True),
    }
