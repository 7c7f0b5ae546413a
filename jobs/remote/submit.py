"""vrp submit: hand a job to a Ray cluster, which runs the same command with the same YAML."""

from __future__ import annotations

import json
import shlex
import tempfile
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from jobs.remote.follow import Followed, follow, tell_end
from jobs.remote.ray_jobs import LOCAL_DASHBOARD, Address, answered, exit_code, open_client
from jobs.terminal.options import AsJson, Overrides, Wait
from schemas.errors import BadInput

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

    from pipeline.submit.inputs import Document, SubmittedJob

# A driver that dies goes on where it stopped; one that dies three times has a reason to.
TRIES = 3
Kind = Literal["label", "train", "evaluate", "embed"]

Folds = Annotated[list[int] | None, typer.Option("--fold", help="Of `train`; repeated.")]
SharedPaths = Annotated[
    bool, typer.Option("--shared-paths", help="Every node has this machine's paths.")
]
SendSecrets = Annotated[
    bool, typer.Option("--send-secrets", help="Let the job's credentials travel in its package.")
]
Unchecked = Annotated[
    bool, typer.Option("--unchecked", help="Leave it to the cluster to read weights and data.")
]
ToTheEnd = Annotated[bool, typer.Option("--follow", "-f", help="Print its log until it ends.")]


def submit(  # noqa: PLR0913, PLR0917 - typer makes one option of each
    kind: Annotated[Kind, typer.Argument(help="The command.")],
    job_file: Annotated[Path, typer.Argument(metavar="JOB.yaml")],
    address: Address = LOCAL_DASHBOARD,
    overrides: Overrides = None,
    folds: Folds = None,
    shared_paths: SharedPaths = False,
    send_secrets: SendSecrets = False,
    unchecked: Unchecked = False,
    wait: Wait = False,
    to_the_end: ToTheEnd = False,
    as_json: AsJson = False,
) -> None:
    """Run `vrp KIND JOB.yaml` on a cluster, after the checks of that command on this machine.

    Weights and references of this machine are uploaded to <output>/inputs/; images, datasets and
    outputs must be on storage. Submitting a job again goes on with it. Exit codes: 0 submitted
    (with --follow: done), 2 wrong input, 1 anything else.
    """
    from jobs.terminal.console import open_console
    from pipeline.submit.inputs import check_portable, portable, results_uri
    from pipeline.submit.package import JOB_FILE

    console = open_console(as_json)
    if folds and kind != "train":
        raise BadInput("an option of another command", "--fold", kind, "vrp submit train")
    job = _read(kind, job_file, overrides)
    client = open_client(address)
    check_portable(job, shared_paths=shared_paths, send_secrets=send_secrets)
    _check(job, folds or (), read_all=not unchecked, alone=not wait)
    document = portable(job, shared_paths=shared_paths, send_secrets=send_secrets)
    command = [kind, JOB_FILE, *(part for fold in folds or () for part in ("--fold", str(fold)))]
    if wait and kind != "embed":
        command.append("--wait")
    with answered(address):
        submission = _submit(client, job, document, command, address)
    output = results_uri(job)
    console.print(f"submitted {submission}; results in {output}", markup=False)
    shown: dict[str, object] = {"id": submission, "output": output}
    code = 0
    if to_the_end:
        followed = Followed(client, submission, address, kind, output, job.storage)
        code, ended = _follow(followed, err=as_json)
        shown |= ended
    else:
        for line in (f"logs -f {submission}", f"cancel {submission}", f"status {job_file}"):
            console.print(f"  vrp {line}", markup=False)
    if as_json:
        typer.echo(json.dumps(shown))
    raise typer.Exit(code)


def _check(job: SubmittedJob, folds: Sequence[int], *, read_all: bool, alone: bool) -> None:
    from jobs.remote.check import check_alone, check_job

    if read_all:
        check_job(job, folds)
    if alone:
        check_alone(job)


def _follow(job: Followed, *, err: bool) -> tuple[int, dict[str, object]]:
    """Print a job's log until it ends: the command's exit code, and how the job ended."""
    details = follow(job, verbose=False, echo=partial(typer.echo, nl=False, err=err))
    return tell_end(job, details), {"status": details.status, "exit_code": exit_code(details)}


def _read(kind: Kind, path: Path, overrides: list[str] | None) -> SubmittedJob:
    from jobs.terminal.job_file import read_embedding, read_job
    from schemas.job.evaluate import EvaluateJob
    from schemas.job.label import LabelJob
    from schemas.job.train import TrainJob

    match kind:
        case "label":
            return read_job(LabelJob, path, overrides)
        case "train":
            return read_job(TrainJob, path, overrides)
        case "evaluate":
            return read_job(EvaluateJob, path, overrides)
        case "embed":
            return read_embedding(path, overrides)


def _submit(
    client: JobSubmissionClient,
    job: SubmittedJob,
    document: Document,
    command: list[str],
    address: str,
) -> str:
    from pipeline.output.paths import SUBMITTED
    from pipeline.storage.place import Place
    from pipeline.submit.inputs import packaged_weights, results_uri
    from pipeline.submit.package import pack
    from schemas.record.at_work import Submitted

    began = datetime.now(UTC)
    submission = f"{command[0]}-{began:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
    repeat = ["python", "-m", "jobs.remote.persist", submission, str(TRIES)]
    with tempfile.TemporaryDirectory() as folder:
        pack(Path(folder), document, packaged_weights(job), submission)
        client.submit_job(
            entrypoint=shlex.join([*repeat, *command]),
            runtime_env={"working_dir": folder},
            metadata={"vrp": command[0], "output": results_uri(job), **_address_of(job)},
            submission_id=submission,
        )
    output = Place.open(results_uri(job), job.storage)
    at = began.isoformat(timespec="seconds")
    head = None if "@" in address else address.rstrip("/")  # no password to lie on storage
    record = Submitted(run=submission, kind=command[0], at=at, head=head)
    output.below(SUBMITTED).replace(record.model_dump_json().encode())
    return submission


def _address_of(job: SubmittedJob) -> dict[str, str]:
    """Return where the results' storage is, for `vrp logs`; the dashboard shows it: no secrets."""
    storage = job.storage
    shown = {"endpoint_url": storage.endpoint_url, "region": storage.region}
    found = {key: text for key, text in shown.items() if text and "@" not in text}
    return found | ({"anonymous": "true"} if storage.anonymous else {})
