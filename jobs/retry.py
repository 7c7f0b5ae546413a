"""vrp retry: label again the images of a finished job that were rejected for some reason."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from jobs.cluster.alone import begin_alone, with_workers
from jobs.cluster.run_record import RunRecord
from jobs.terminal.options import AsJson, Overrides
from schemas.errors import BadInput, RejectReason

if TYPE_CHECKING:
    from rich.console import Console

    from schemas.job.label import LabelJob

Reasons = Annotated[
    list[str], typer.Option(help="As in rejected rows, e.g. timeout; may be repeated.")
]


def retry(
    job_file: Annotated[Path, typer.Argument(metavar="JOB.yaml")],
    reason: Reasons,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Label again the images that were rejected for the given reasons, and commit the result.

    For faults that have gone: --set limits.seconds_per_image=600, a restored file, more memory. All
    other rows stay as they are. Exit codes: 0 done, 2 wrong input, 1 anything else.
    """
    from jobs.terminal.console import open_console
    from jobs.terminal.job_file import read_job
    from schemas.job.label import LabelJob

    console, start = open_console(as_json), time.monotonic()
    job = read_job(LabelJob, job_file, overrides)
    reasons = frozenset[RejectReason]({_known(name) for name in reason})
    summary = _retry(job, reasons, console) | {"seconds": round(time.monotonic() - start, 2)}
    if as_json:
        typer.echo(json.dumps(summary))


def _retry(job: LabelJob, reasons: frozenset[RejectReason], console: Console) -> dict[str, object]:
    from jobs.terminal.progress import LabelProgress
    from pipeline.label.check import check
    from pipeline.label.retry import count_reasons
    from pipeline.label.run import check_retry, retry, work_again

    with (
        begin_alone(job.compute) as alone,
        RunRecord("retry", job.output.uri, job.storage) as record,
    ):
        checked = check(job)
        again = check_retry(checked, reasons)
        if again.parts:
            record.begin(console)
        with LabelProgress(checked, console) as progress:
            commit = with_workers(
                alone,
                work_again(checked, again),
                console,
                lambda workers: retry(checked, again, progress.add, workers),
            )
    left = count_reasons(checked.output, commit)
    labelled = again.rejected - commit.counts.rejected
    console.print(
        f"{again.images} images tried again, {labelled} labelled now; "
        f"rejected: {', '.join(f'{n} {name}' for name, n in left.most_common()) or 'none'}"
    )
    return {
        "tried": again.images,
        "labelled_now": labelled,
        "rejected": dict(left),
        "output": checked.job.output.uri,
    }


def _known(name: str) -> RejectReason:
    reasons: tuple[RejectReason, ...] = get_args(RejectReason)
    for reason in reasons:
        if reason == name:
            return reason
    raise BadInput(
        "no image is rejected for such a reason", "--reason", name, f"one of {', '.join(reasons)}"
    )
