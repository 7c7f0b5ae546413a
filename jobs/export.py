"""vrp export: read a commit into another format."""

import json
from typing import Annotated, Any

import typer
from rich.console import Console

from jobs.options import Anonymous, AsJson, EndpointUrl, OutputUri, Region
from pipeline.export.coco import export_coco
from pipeline.export.png import export_png
from pipeline.output.share import parse_share
from schemas.commit import Counts
from schemas.storage import Storage

export_app = typer.Typer(help="Read committed labels into another format.", no_args_is_help=True)


@export_app.callback()
def export() -> None:
    """Read committed labels into another format."""


@export_app.command()
def coco(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    output: OutputUri,
    to: Annotated[str, typer.Option(help="The file to write: a path or s3://bucket/key.")],
    instances: Annotated[
        bool, typer.Option("--instances", help="An annotation per object, not per category.")
    ] = False,
    share: Annotated[
        str, typer.Option(help="N/OF: only this share of the labels, with the ids of the whole.")
    ] = "1/1",
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Write one instances JSON for pycocotools; the same commit always gives the same bytes.

    Credentials come from the AWS variables. Exit codes: 0 done, 2 wrong input, 1 anything else.
    """
    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    counts = export_coco(output, storage, to, instances=instances, share=parse_share(share))
    annotations = counts.instances if instances else counts.labelled
    summary = {"images": counts.with_labels, "annotations": annotations, "to": to}
    made = f"{counts.with_labels} images, {annotations} {'objects' if instances else 'masks'}"
    _tell(summary, made, counts, as_json)


@export_app.command()
def png(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    output: OutputUri,
    to: Annotated[str, typer.Option(help="A new folder: a path or s3://bucket/prefix.")],
    palette: Annotated[
        str, typer.Option(help="voc, or a JSON file of colours by category name: #rrggbb.")
    ] = "voc",
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Write one indexed PNG per image, 0 where there is no category, and legend.json.

    Where masks overlap, the greatest score has the pixel. Files that are there already are kept, so
    that an export cut short is finished by the same command. Exit codes: 0 done, 2 wrong input, 1
    anything else.
    """
    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    counts = export_png(output, storage, to, palette)
    summary = {"images": counts.with_labels, "left_out": counts.rejected, "to": to}
    _tell(summary, f"{counts.with_labels} PNGs and legend.json", counts, as_json)


def _tell(summary: dict[str, Any], made: str, counts: Counts, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(summary))
        return
    lines = (made, f"left out: {counts.rejected} rejected images", f"written: {summary['to']}")
    Console(highlight=False).print("\n".join(lines), markup=False, soft_wrap=True)
