"""vrp submit: hand a job to a Ray cluster, which runs the same command with the same YAML."""

from __future__ import annotations

import json
import shlex
import tempfile
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jobs.options import AsJson, Overrides
from jobs.remote.ray_jobs import LOCAL_DASHBOARD, Address, answered, open_client
from schemas.errors import BadInput

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

    from pipeline.submit.inputs import Document, SubmittedJob

# A driver that dies goes on where it stopped; one that dies three times has a reason to.
TRIES = 3


def submit(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    kind: Annotated[
        Literal["label", "train", "evaluate", "embed"], typer.Argument(help="The command.")
    ],
    job_file: Annotated[Path, typer.Argument(metavar="JOB.yaml")],
    address: Address = LOCAL_DASHBOARD,
    overrides: Overrides = None,
    folds: Annotated[list[int] | None, typer.Option("--fold", help="Of `train`; repeated.")] = None,
    shared_paths: Annotated[
        bool, typer.Option("--shared-paths", help="Every node has this machine's paths.")
    ] = False,
    send_secrets: Annotated[
        bool,
        typer.Option("--send-secrets", help="Let the job's credentials travel in its package."),
    ] = False,
    wait: Annotated[bool, typer.Option("--follow", "-f", help="Print its log until it ends.")] = (
        False
    ),
    as_json: AsJson = False,
) -> None:
    """Run `vrp KIND JOB.yaml` on a cluster.

    Weights and references of this machine are uploaded to <output>/inputs/; images, datasets and
    outputs must be on storage. Submitting a job again goes on with it. Exit codes: 0 submitted
    (with --follow: done), 2 wrong input, 1 anything else.
    """
    from rich.console import Console

    from jobs.job_file import read_job

    console = Console(stderr=as_json, highlight=False)
    if folds and kind != "train":
        raise BadInput("an option of another command", "--fold", kind, "vrp submit train")
    job = read_job(_spec(kind), job_file, overrides)
    from jobs.remote.submitted import follow
    from pipeline.submit.inputs import portable, results_uri
    from pipeline.submit.package import JOB_FILE

    client = open_client(address)
    document = portable(job, shared_paths=shared_paths, send_secrets=send_secrets)
    options = [option for fold in folds or () for option in ("--fold", str(fold))]
    command = [kind, JOB_FILE, *options]
    with answered(address):
        submission = _submit(client, job, document, command)
    console.print(f"submitted {submission}; results in {results_uri(job)}", soft_wrap=True)
    if as_json:
        typer.echo(json.dumps({"id": submission, "output": results_uri(job)}))
    if wait:
        raise typer.Exit(follow(client, submission, address))
    console.print(f"vrp logs -f {submission}, vrp cancel {submission}, vrp status {job_file}")


def _spec(kind: Literal["label", "train", "evaluate", "embed"]) -> type[SubmittedJob]:
    from schemas.embed import EmbedJob
    from schemas.evaluate import EvaluateJob
    from schemas.label import LabelJob
    from schemas.train import TrainJob

    match kind:
        case "label":
            return LabelJob
        case "train":
            return TrainJob
        case "evaluate":
            return EvaluateJob
        case "embed":
            return EmbedJob


def _submit(
    client: JobSubmissionClient,
    job: SubmittedJob,
    document: Document,
    command: list[str],
) -> str:
    from pipeline.submit.inputs import packaged_weights, results_uri
    from pipeline.submit.package import pack

    began = datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        pack(Path(folder), document, packaged_weights(job))
        return client.submit_job(
            entrypoint=shlex.join(["python", "-m", "jobs.remote.persist", str(TRIES), *command]),
            runtime_env={"working_dir": folder},
            # Shown by the dashboard: no secret belongs here.
            metadata={"vrp": command[0], "output": results_uri(job)},
            submission_id=f"{command[0]}-{began:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}",
        )
