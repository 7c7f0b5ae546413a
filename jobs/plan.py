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
    from rich.console import Console

    from jobs.terminal.job_file import read_job
    from schemas.job.label import LabelJob

    job = read_job(LabelJob, job_file, overrides)
    # Only now: they take seconds, which a mistake in the job need not wait for.
    from pipeline.label.check import check
    from pipeline.label.disk_space import check_space

    checked = check(job)
    check_space(checked)
    print_plan(checked, Console(stderr=as_json, highlight=False))
    if as_json:
        typer.echo(json.dumps(describe(checked)))


def print_plan(checked: CheckedJob, console: Console) -> None:
    """Print what a run would do, then what it would do it with."""
    from rich.table import Table

    from pipeline.label.preview import outlook

    table = Table("a run would", "", "because", title="nothing is labelled yet")
    for prospect in outlook(checked):
        table.add_row(prospect.what, str(prospect.count), prospect.why)
    if checked.done:
        table.add_row("do nothing", "", "the job is finished")
    console.print(table)
    table = Table("", "", show_header=False)
    for key, value in describe(checked).items():
        if key not in ("would", "understood"):
            shown = ", ".join(map(str, value[:10])) if isinstance(value, list) else value
            table.add_row(key.replace("_", " "), str(shown))
    console.print(table)
    print_understood(checked, console)


def print_understood(checked: CheckedJob, console: Console) -> None:
    """Print what the references' annotations are understood to be."""
    for said in checked.understood[:REFERENCES_SHOWN]:
        console.print(said, markup=False, soft_wrap=True)
    if (more := len(checked.understood) - REFERENCES_SHOWN) > 0:
        console.print(f"and {more} references more")


def describe(checked: CheckedJob) -> dict[str, object]:
    """Return the plan as values for JSON."""
    from pipeline.label.preview import outlook

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
    }
