"""vrp plan: say what a run of a labeling job would do now, and why."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.terminal.options import AsJson, Overrides

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.label.check import CheckedJob

REFERENCES_SHOWN = 30


def plan(
    job_file: Annotated[Path, typer.Argument(metavar="JOB.yaml")],
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Check everything and say what `vrp label` would do now, and why; nothing is written.

    A job whose output is another job's is refused with every field that differs. Exit codes: 0
    fine, 2 wrong input.
    """
    from jobs.terminal.console import open_console
    from jobs.terminal.job_file import read_job
    from schemas.job.label import LabelJob

    job = read_job(LabelJob, job_file, overrides)
    # Only now: they take seconds, which a mistake in the job need not wait for.
    from pipeline.label.check import check
    from pipeline.label.disk_space import check_space

    checked = check(job)
    check_space(checked)
    print_plan(checked, open_console(as_json))
    if as_json:
        typer.echo(json.dumps(describe(checked)))


def print_plan(checked: CheckedJob, console: Console) -> None:
    """Print what a run would do, then what it would do it with."""
    from pipeline.label.preview import outlook

    console.print("nothing is written by this; a run would")
    for prospect in outlook(checked):
        console.print(f"  {prospect.what}: {prospect.count} ({prospect.why})", markup=False)
    if checked.done:
        console.print("  do nothing: the job is finished")
    # Not a table: that would cut addresses and fingerprints on a narrow screen.
    for key, value in describe(checked).items():
        if key not in ("would", "understood", "advice"):
            shown = ", ".join(map(str, value[:10])) if isinstance(value, list) else value
            console.print(f"{key.replace('_', ' '):<16}{shown}", markup=False)
    print_understood(checked, console)


def print_understood(checked: CheckedJob, console: Console) -> None:
    """Print what the references' annotations are understood to be, and what is advised of them."""
    from pipeline.label.preview import advice

    for said in checked.understood[:REFERENCES_SHOWN]:
        console.print(said, markup=False, soft_wrap=True)
    if (more := len(checked.understood) - REFERENCES_SHOWN) > 0:
        console.print(f"and {more} references more")
    for said in advice(checked):
        console.print(f"advice: {said}", markup=False, soft_wrap=True)


def describe(checked: CheckedJob) -> dict[str, object]:
    """Return the plan as values for JSON."""
    from pipeline.label.preview import advice, outlook

    lists = [shard for shard in checked.plan.shards if shard.kind == "images"]
    return {
        "shards": len(checked.plan.shards),
        "shards_to_do": len(checked.unfinished),
        "images_listed": sum(len(shard.images) for shard in lists),
        "input_bytes": checked.inputs.size_bytes,
        "passed_over": checked.inputs.describe_passed_over(),
        "vanished": list(checked.plan.vanished),
        "categories": [category.name for category in checked.identity.categories],
        "references": len(checked.references),
        "understood": list(checked.understood),
        "fingerprint": checked.identity.fingerprint,
        "random_weights": list(checked.identity.random_weights),
        "output": checked.job.output.uri,
        "would": [asdict(prospect) for prospect in outlook(checked)],
        "advice": advice(checked),
    }
