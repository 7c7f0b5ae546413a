"""The `vrp` command: one subcommand per module of jobs/.

Exit codes of every command: 0 done, 2 wrong input, 1 anything else.
"""

import json
import sys
from typing import Annotated, Literal

import ray.exceptions
import typer
from rich.console import Console

from jobs.datasets import datasets_app
from jobs.embed import embed
from jobs.episodes import episodes
from jobs.evaluate import evaluate
from jobs.export import export_app
from jobs.label import label
from jobs.lite import lite_app
from jobs.nano import nano_app
from jobs.plan import plan
from jobs.remote.submit import submit
from jobs.remote.submitted import cancel, jobs, logs
from jobs.report import report
from jobs.retry import retry
from jobs.status import status
from jobs.train import train
from jobs.verify import verify
from jobs.weights import weights_app
from schemas.embed import EmbedJob
from schemas.episode import EpisodeJob
from schemas.errors import BadInput
from schemas.evaluate import EvaluateJob
from schemas.label import LabelJob
from schemas.train import TrainJob

app = typer.Typer(
    help="Label image collections of any size from a few annotated examples.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (label, plan, retry, verify, report, train, episodes, embed, evaluate):
    app.command()(command)
for command in (submit, jobs, logs, status, cancel):
    app.command()(command)
app.add_typer(export_app, name="export")
app.add_typer(datasets_app, name="datasets")
app.add_typer(weights_app, name="weights")
app.add_typer(nano_app, name="nano")
app.add_typer(lite_app, name="lite")


JOBS = {
    "label": LabelJob,
    "train": TrainJob,
    "episodes": EpisodeJob,
    "embed": EmbedJob,
    "evaluate": EvaluateJob,
}


@app.command()
def schema(
    kind: Annotated[
        Literal["label", "train", "episodes", "embed", "evaluate"],
        typer.Argument(help="The kind of job."),
    ],
) -> None:
    """Print a job's JSON Schema, for editors that complete and check YAML."""
    typer.echo(json.dumps(JOBS[kind].model_json_schema(), indent=2))


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
    except OSError as error:
        # Storage that kept failing after all retries; the message names the object.
        console.print("[red]error:[/red]", end=" ")
        console.print(str(error), markup=False, soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
