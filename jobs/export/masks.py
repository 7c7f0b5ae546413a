"""vrp export: read a commit into another format."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.export.annotators import cvat, label_studio, labelme, yolo
from jobs.export.exported import (
    ByObject,
    Categories,
    File,
    Folder,
    IdColumn,
    ImageColumn,
    MinScore,
    Reviews,
    Tolerance,
    outlines_within,
    tell,
)
from jobs.terminal.options import Anonymous, AsJson, EndpointUrl, OutputUri, Region

export_app = typer.Typer(help="Read committed labels into another format.", no_args_is_help=True)
for command in (yolo, label_studio, cvat, labelme):
    export_app.command()(command)


@export_app.callback()
def export() -> None:
    """Read committed labels into another format.

    Beside each export lies rejected.json: the images it has no masks of, and why.
    """


@export_app.command()
def coco(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    output: OutputUri,
    to: File,
    instances: ByObject = False,
    polygons: Annotated[
        bool, typer.Option("--polygons", help="Polygons, not run lengths: holes are lost.")
    ] = False,
    tolerance: Tolerance = None,
    with_rejected: Annotated[
        bool, typer.Option("--with-rejected", help="Rejected images too, with the reason.")
    ] = False,
    share: Annotated[
        str, typer.Option(help="N/OF: only this share of the labels, with the ids of the whole.")
    ] = "1/1",
    reviewed: Reviews = None,
    min_score: MinScore = 0,
    categories: Categories = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Write one instances JSON for pycocotools; the same commit always gives the same bytes.

    Credentials come from the AWS variables. Exit codes: 0 done, 2 wrong input, 1 anything else.
    """
    from pipeline.export.coco import export_coco
    from pipeline.export.selection import Selection
    from pipeline.output.share import parse_share
    from schemas.job.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    selection = Selection(min_score, categories or (), instances, parse_share(share), reviewed)
    outlines = outlines_within(tolerance) if polygons else None
    exported = export_coco(
        output, storage, to, selection, outlines=outlines, with_rejected=with_rejected
    )
    tell(exported, to, as_json, loss=outlines.loss if outlines else None)


@export_app.command()
def png(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    output: OutputUri,
    to: Folder,
    palette: Annotated[
        str, typer.Option(help="voc, or a JSON file of colours by category name: #rrggbb.")
    ] = "voc",
    reviewed: Reviews = None,
    min_score: MinScore = 0,
    categories: Categories = None,
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
    from pipeline.export.png import export_png
    from pipeline.export.selection import Selection
    from schemas.job.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    selection = Selection(min_score, categories or (), reviewed=reviewed)
    tell(export_png(output, storage, to, palette, selection), to, as_json)


@export_app.command()
def parquet(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    output: OutputUri,
    to: Folder,
    min_score: MinScore = 0,
    categories: Categories = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Write the committed rows alone, as a data set that Hugging Face `datasets` loads.

    Exit codes: 0 done, 2 wrong input, 1 anything else.
    """
    from pipeline.export.parquet import export_parquet
    from pipeline.export.selection import Selection
    from schemas.job.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    selection = Selection(min_score, categories or ())
    tell(export_parquet(output, storage, to, selection), to, as_json)


@export_app.command()
def images(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    output: OutputUri,
    to: Folder,
    image_column: ImageColumn = "image",
    id_column: IdColumn = "id",
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Write the labelled images, upright, under the file names that the other exports give.

    Exit codes: 0 done, 2 wrong input, 1 anything else.
    """
    from pipeline.export.image_files import COLUMNS, export_images
    from schemas.job.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    columns = COLUMNS.model_copy(update={"image_column": image_column, "id_column": id_column})
    exported = export_images(output, storage, to, columns)
    tell(exported, to, as_json, upright=True)
