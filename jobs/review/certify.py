"""vrp certify: say how right a job's labels are, from a reviewed sample, and hold them to it."""

import json
from typing import Annotated

import typer

from jobs.terminal.options import Anonymous, AsJson, EndpointUrl, OutputUri, Region
from jobs.terminal.requirement import read_requirements


def certify(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    output: OutputUri,
    each: Annotated[
        int,
        typer.Option(help="Labels of each category and bin of the score that are judged.", min=1),
    ] = 25,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=LEAST",
            help="precision, presence, recall or iou, and what its lower bound is to reach; may "
            "be repeated.",
        ),
    ] = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
    as_json: AsJson = False,
) -> None:
    """Write certificate.json and certificate.html beside a commit whose audit sample is reviewed.

    Exit codes: 0 done, 1 a requirement is not reached, 2 wrong input, or a sample that is not
    reviewed yet.
    """
    from pipeline.certify.certificate import NAMES
    from pipeline.certify.certificate import certify as certificate_of
    from pipeline.certify.page import page_of
    from pipeline.output.paths import CERTIFICATE, CERTIFICATE_PAGE
    from pipeline.review.review import Review
    from schemas.job.storage import Storage

    required = read_requirements(require or (), NAMES)
    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    review = Review(output.rstrip("/"), storage)
    certificate = certificate_of(review, each)
    short = certificate.falls_short(required)
    written = {**certificate.as_json(), "required": required, "falls_short": short}
    review.output.below(CERTIFICATE).replace(json.dumps(written, indent=1).encode())
    review.output.below(CERTIFICATE_PAGE).replace(page_of(certificate).encode())
    for name, figure in certificate.lines[0].figures.items():
        text = f"{name} {figure.value:.3f}, 95 % interval {figure.low:.3f} to {figure.high:.3f}"
        typer.echo(text, err=as_json)
    for fault in short:
        typer.echo(f"falls short: {fault}", err=as_json)
    typer.echo(f"written: {review.output.below(CERTIFICATE_PAGE)}", err=as_json)
    if as_json:
        typer.echo(json.dumps(written))
    if short:
        raise typer.Exit(1)
