"""vrp report: write the page that shows what a finished job has labelled."""

from typing import Annotated

import typer

from jobs.terminal.options import Anonymous, EndpointUrl, OutputUri, Region


def report(
    output: OutputUri,
    truth: Annotated[
        str | None,
        typer.Option(metavar="INSTANCES.json", help="True masks, as a COCO instances file."),
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="FILE.html", help="Left out: report.html in OUTPUT.")
    ] = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
) -> None:
    """Write one HTML page of references, sample images, counts, scores and times.

    Images are read again from where they were labelled; those that are gone say so. Credentials
    come from the AWS variables. Exit codes: 0 done, 2 wrong input, 1 anything else.
    """
    from pipeline.output.paths import REPORT
    from pipeline.report.page import make_report
    from pipeline.storage.place import Place
    from schemas.job.storage import Storage

    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    output = output.rstrip("/")
    made = make_report(output, truth, storage)
    page = made.html.encode()
    target = to or f"{output}/{REPORT}"
    Place.open(target, storage).replace(page)
    typer.echo(f"report: {target} ({len(page) / 1e6:.1f} MB)")
    for remark in made.remarks:
        typer.echo(f"ground truth: {remark}")
