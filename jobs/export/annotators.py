"""vrp export: the formats of training and annotation tools."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.export.exported import (
    ByObject,
    Categories,
    File,
    Folder,
    IdColumn,
    ImageColumn,
    MinScore,
    Tolerance,
    outlines_within,
    tell,
)
from jobs.terminal.options import Anonymous, AsJson, EndpointUrl, OutputUri, Region


def yolo(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    output: OutputUri,
    to: Folder,
    instances: ByObject = False,
    tolerance: Tolerance = None,
    val: Annotated[
        float, typer.Option(help="Share of the images for validation.", min=0, max=1)
    ] = 0.2,
    with_images: Annotated[bool, typer.Option("--images/--no-images", help="Images too.")] = True,
    image_column: ImageColumn = "image",
    id_column: IdColumn = "id",
    min_score: MinScore = 0,
    categories: Categories = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Write a YOLO segmentation folder: data.yaml, labels/ and images/, split by image id.

    Exit codes: 0 done, 2 wrong input, 1 anything else.
    """
    from pipeline.export.annotators.yolo import Yolo, export_yolo
    from pipeline.export.image_files import COLUMNS
    from pipeline.export.selection import Selection
    from schemas.job.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    selection = Selection(min_score, categories or (), instances)
    columns = COLUMNS.model_copy(update={"image_column": image_column, "id_column": id_column})
    outlines = outlines_within(tolerance)
    exported = export_yolo(
        output, storage, to, selection, outlines, Yolo(val, with_images, columns)
    )
    tell(exported, to, as_json, loss=outlines.loss, upright=with_images)


def labelme(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    output: OutputUri,
    to: Folder,
    instances: ByObject = False,
    tolerance: Tolerance = None,
    min_score: MinScore = 0,
    categories: Categories = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Write one labelme JSON of polygons per image, for the folder of the images.

    Exit codes: 0 done, 2 wrong input, 1 anything else.
    """
    from pipeline.export.annotators.labelme import export_labelme
    from pipeline.export.selection import Selection
    from schemas.job.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    selection = Selection(min_score, categories or (), instances)
    outlines = outlines_within(tolerance)
    exported = export_labelme(output, storage, to, selection, outlines)
    tell(exported, to, as_json, loss=outlines.loss)


def cvat(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    output: OutputUri,
    to: File,
    instances: ByObject = False,
    min_score: MinScore = 0,
    categories: Categories = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Write one XML of masks for CVAT: "CVAT for images 1.1".

    Exit codes: 0 done, 2 wrong input, 1 anything else.
    """
    from pipeline.export.annotators.cvat import export_cvat
    from pipeline.export.selection import Selection
    from schemas.job.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    selection = Selection(min_score, categories or (), instances)
    tell(export_cvat(output, storage, to, selection), to, as_json)


def label_studio(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    output: OutputUri,
    to: File,
    images: Annotated[
        str | None,
        typer.Option(help="Where Label Studio finds the files of `vrp export images`."),
    ] = None,
    instances: ByObject = False,
    min_score: MinScore = 0,
    categories: Categories = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Write Label Studio tasks with the masks as brush predictions, and the project's setup.

    Exit codes: 0 done, 2 wrong input, 1 anything else.
    """
    from pipeline.export.annotators.label_studio import export_label_studio
    from pipeline.export.selection import Selection
    from schemas.job.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    selection = Selection(min_score, categories or (), instances)
    tell(export_label_studio(output, storage, to, selection, images), to, as_json)
