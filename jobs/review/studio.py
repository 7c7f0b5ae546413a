"""vrp studio: a page on this machine to draw references, and to say which labels are right."""

from __future__ import annotations

import getpass
import re
import socket
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.terminal.options import Anonymous, EndpointUrl, Region
from schemas.errors import BadInput

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from pipeline.studio.app import Work
    from pipeline.studio.gate import Entry

LOOPBACK = "127.0.0.1"

What = Annotated[
    str,
    typer.Argument(
        metavar="FOLDER|JOB.yaml|OUTPUT",
        help="Images, or shards of them, to draw on; a job, to draw more; its labels, to review.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Jobs run there, by `vrp submit --address`; left out: by `vrp label`, here.",
    ),
]


def studio(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    what: What,
    host: Annotated[
        str, typer.Option(help="The address to listen at; others than this machine need --token.")
    ] = LOOPBACK,
    port: Annotated[int, typer.Option(help="0: a free one.", min=0, max=65535)] = 0,
    token: Annotated[
        str | None,
        typer.Option(help="Lets browsers in, as often as it is given; 20 characters or more."),
    ] = None,
    reviewer: Annotated[
        str | None, typer.Option(help="Whose verdicts they are; left out: the user's name.")
    ] = None,
    cluster: Cluster = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    anonymous: Anonymous = False,
) -> None:
    """Open a page to draw references for a job, try and run it, review and repair its labels.

    Prints an address, which lets one browser in. Verdicts are written beside the commit; labels are
    never changed. Ctrl-C ends it. Exit codes: 0 done, 2 wrong input, 1 anything else.
    """
    from dataclasses import replace

    from jobs.review.work import open_work
    from pipeline.output.verdicts import check_reviewer
    from pipeline.studio.app import make_app
    from pipeline.studio.run import Run
    from schemas.job.storage import Storage

    _check_token(host, token)
    name = reviewer if reviewer is not None else _user()
    check_reviewer(name)
    storage = Storage(endpoint_url=endpoint_url, region=region, anonymous=anonymous)
    work = replace(open_work(what, storage), run=Run(*_command(cluster)))
    _tell(work, name)
    with _listen(host, port) as listening:
        entry = _entry(host, listening.getsockname()[1], token)
        typer.echo(f"open http://{_shown(host)}:{entry.port}/?token={entry.token}")
        typer.echo("Ctrl-C ends it; what was said or saved is written by then")
        if work.clicks:
            work.clicks.load_ahead()
        _serve(make_app(entry, name, work, lambda: open_work(what, storage)), listening)


def _tell(work: Work, reviewer: str) -> None:
    if work.draft:
        typer.echo(f"{len(work.draft.collection.images)} images to draw on, for {work.draft.path}")
    if work.review:
        typer.echo(f"{len(work.review.index)} labels of {work.review.uri}, reviewed by {reviewer}")


def _command(cluster: str | None) -> tuple[list[str], str]:
    """Return what labels a job file that is added to it, and what a person would type."""
    words = ["label"] if cluster is None else ["submit", "label", "--address", cluster]
    return [sys.executable, "-m", "jobs.main", *words], " ".join(["vrp", *words])


def _serve(app: ASGIApp, listening: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", server_header=False)
    uvicorn.Server(config).run(sockets=[listening])


def _check_token(host: str, token: str | None) -> None:
    if token is None and host != LOOPBACK:
        raise BadInput(
            "a studio that other machines reach, without a token of yours",
            "--token",
            f"--host {host}",
            f"--token with 20 random characters or more; or --host {LOOPBACK}, with ssh -L",
        )
    if token is not None and not re.fullmatch(r"[A-Za-z0-9_-]{20,200}", token):
        raise BadInput(
            "a token that is too short, or does not fit an address",
            "--token",
            f"{len(token)} characters",
            "20 to 200 letters, digits, dashes or underscores",
        )


def _user() -> str:
    """Return the user's name as a reviewer's."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user number without a name
        return "reviewer"
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip("._-")[:40] or "reviewer"


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise BadInput(
            "an address that cannot be listened at",
            "--host, --port",
            f"{host}:{port}: {error.strerror}",
            "one of this machine's own addresses, and a port that is free",
        ) from error


def _entry(host: str, port: int, token: str | None) -> Entry:
    import secrets

    from pipeline.studio.gate import Entry

    names = frozenset() if host == "0.0.0.0" else frozenset({host, LOOPBACK, "localhost"})  # noqa: S104
    return Entry(port, token or secrets.token_urlsafe(24), names, keeps=token is not None)


def _shown(host: str) -> str:
    return socket.gethostname() if host == "0.0.0.0" else host  # noqa: S104
