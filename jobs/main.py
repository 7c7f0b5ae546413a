"""The `vrp` command: one subcommand per module of jobs/.

Exit codes of every command: 0 done, 2 wrong input, 1 anything else.
"""

import json
import sys
from typing import Annotated, Literal

import ray.exceptions
import typer
from rich.console import Console

from jobs.export import export_app
from jobs.label import label
from jobs.verify import verify
from schemas.errors import BadInput
from schemas.job import LabelJob

app = typer.Typer(
    help="Label image collections of any size from a few annotated examples.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(label)
app.command()(verify)
app.add_typer(export_app, name="export")


@app.command()
def schema(kind: Annotated[Literal["label"], typer.Argument(help="The kind of job.")]) -> None:
    """Print a job's JSON Schema, for editors that complete and check YAML."""
    schemas = {"label": LabelJob}
    print(json.dumps(schemas[kind].model_json_schema(), indent=2))  # noqa: T201  # the output itself


def main(arguments: list[str] | None = None) -> None:
    """Run the command; errors end as a message and an exit code, not as a traceback."""
    console = Console(stderr=True, highlight=False)
    try:
        app(arguments)
    except BadInput as error:
        console.print("[red]error:[/red]", end=" ")
        console.print(str(error), markup=False, soft_wrap=True)
        sys.exit(2)
    except ray.exceptions.RayError as error:
        console.print("[red]error:[/red] a worker failed; rerun the same command to continue")
        console.print(str(error), markup=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
