"""The `vrp` command: one subcommand per module of jobs/.

Exit codes of every command: 0 done, 2 wrong input, 1 anything else.

Modules of jobs/ import at their top what the command line needs, and in their functions, once the
job file is read, what does the work: torch and Ray take seconds, which neither `--help` nor a
mistake in a job is to wait for (tests/jobs/test_imports.py).
"""

from __future__ import annotations

import atexit
import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jobs.datasets import datasets_app
from jobs.embed import embed
from jobs.episodes import episodes
from jobs.evaluate import evaluate
from jobs.export.masks import export_app
from jobs.label import label
from jobs.own_weights.lite import lite_app
from jobs.plan import plan
from jobs.remote.submit import submit
from jobs.remote.submitted import cancel, jobs, logs
from jobs.report import report
from jobs.retry import retry
from jobs.review.certify import certify
from jobs.review.compare import compare
from jobs.review.studio import studio
from jobs.status import status
from jobs.train import train
from jobs.trust.check import check
from jobs.trust.presence import presence_app
from jobs.verify import verify
from jobs.weights import weights_app
from schemas.errors import BadInput

if TYPE_CHECKING:
    from schemas.spec import Spec

app = typer.Typer(
    help="Label image collections of any size from a few annotated examples.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # a table of colours takes as long to import as all the rest
)
for command in (label, plan, check, retry, verify, report, studio, certify, compare):
    app.command()(command)
for command in (train, episodes, embed, evaluate):
    app.command()(command)
for command in (submit, jobs, logs, status, cancel):
    app.command()(command)
app.add_typer(export_app, name="export")
app.add_typer(datasets_app, name="datasets")
app.add_typer(weights_app, name="weights")
app.add_typer(presence_app, name="presence")
app.add_typer(lite_app, name="lite")


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(version("vrp-label"))
        raise typer.Exit


@app.callback()
def _(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    pass


Kind = Literal["label", "train", "episodes", "embed", "evaluate"]


@app.command()
def schema(
    kind: Annotated[Kind, typer.Argument(help="The kind of job.")],
) -> None:
    """Print a job's JSON Schema, for editors that complete and check YAML."""
    typer.echo(json.dumps(spec_of(kind).model_json_schema(), indent=2))


def spec_of(kind: Kind) -> type[Spec]:
    """Return what a job file of this kind holds."""
    from jobs.terminal.job_file import KINDS

    return KINDS[kind]


def main(arguments: list[str] | None = None) -> None:
    """Run the command; errors end as a message and an exit code, not as a traceback."""
    from jobs.terminal.console import tell_warnings

    tell_warnings()
    try:
        app(arguments)
    except BadInput as error:
        _print_error(str(error))
        sys.exit(2)
    except _ray_errors() as error:
        from jobs.cluster.reason import reason_of

        # Most of it is the worker's stack: beside our lines, in the last of which is the reason.
        typer.echo(str(error), err=True)
        _print_error(_of_worker(reason_of(error)))
        sys.exit(1)
    except OSError as error:
        # Storage that kept failing after all retries; the message names the object.
        _print_error(str(error))
        sys.exit(1)


def _of_worker(reason: str) -> str:
    """Say that a worker failed, and what to do; a submitted command is begun again by itself."""
    from jobs.terminal.console import is_submitted

    if is_submitted():
        return f"a worker failed: {reason}"
    return (
        f"a worker failed: {reason}\n"
        "what is committed stays; run the same command again to go on\n"
        "its own lines are in session_latest/logs below Ray's folder (/tmp/ray) on its node"
    )


def _print_error(message: str) -> None:
    from jobs.terminal.console import open_console

    console = open_console(as_json=True)
    console.print("[red]error:[/red]", end=" ")
    console.print(message, markup=False, soft_wrap=True)


def _ray_errors() -> tuple[type[Exception], ...]:
    """Return what Ray raises; asked for only once something was raised, so Ray is not imported."""
    if "ray" not in sys.modules:
        return ()
    from ray.exceptions import RayError

    return (RayError,)


def run_and_end() -> None:
    """Run the command of this process, and end the process with it.

    Taking apart torch's thousand modules, as Python does in the end, takes 1.3 s, and crashed
    where Ray had been.
    """
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    else:
        code = 0
    # What libraries want done in the end: Ray ends its cluster there, logging its files.
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(BrokenPipeError):  # who read it has seen enough
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    run_and_end()
