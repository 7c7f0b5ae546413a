"""vrp compare: say what a changed job makes of labels that were reviewed, before it is run."""

import json
from pathlib import Path
from typing import Annotated

import typer

from jobs.terminal.options import AsJson, OutputUri
from schemas.errors import BadInput


def compare(
    output: OutputUri,
    job: Annotated[
        Path, typer.Argument(metavar="JOB.yaml", help="The job as it is now, of the same images.")
    ],
    each: Annotated[
        int,
        typer.Option(help="Labels of each category and bin of the score, as `vrp certify`.", min=1),
    ] = 2,
    as_json: AsJson = False,
) -> None:
    """Label the audit sample of an output with a changed job, and count what became better.

    Nothing is written. Images that the job learns from are left out. Exit codes: 0 done, 2 wrong
    input, 1 anything else.
    """
    from jobs.terminal.job_file import read_job
    from pipeline.certify.before_after import audited_labels, compared_with, counted, images_of
    from pipeline.review.review import Review
    from pipeline.trial.labelling import Labelling
    from pipeline.trial.trial import Trial
    from schemas.job.label import LabelJob

    spec = read_job(LabelJob, job)
    audited = audited_labels(Review(output.rstrip("/"), spec.storage, spec.targets), each)
    trial = Trial(spec, images_of(audited))
    Labelling().label(trial)
    changes = compared_with(audited, trial.labelled())
    if not changes:
        raise BadInput(
            "nothing to compare",
            output,
            f"{len(audited)} labels in the sample, on no image that the job can label anew",
            "labels of images that are there, and that the job does not learn from",
        )
    counts = counted([(one.made["category"], change) for one, _, change in changes])
    for category, of in counts.items():
        said = ", ".join(f"{of[name]} {name}" for name in ("improved", "worsened", "unchanged"))
        known = of["before_iou"] is not None
        iou = f"; IoU {of['before_iou']:.2f} before, {of['after_iou']:.2f} after" if known else ""
        typer.echo(f"{category}: {said}, {of['unknown']} unknown{iou}", err=as_json)
    if as_json:
        typer.echo(json.dumps({"each": each, "categories": counts}))
