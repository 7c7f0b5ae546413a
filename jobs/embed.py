"""vrp embed: compute SAM's embeddings of a collection once, for training and labeling."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.options import AsJson, Overrides

if TYPE_CHECKING:
    from rich.console import Console

    from schemas.embed import EmbedReceipt


def embed(
    job_file: Annotated[Path, typer.Argument(metavar="JOB.yaml")],
    overrides: Overrides = None,
    as_json: AsJson = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, embed nothing.")
    ] = False,
) -> None:
    """Embed every target image that the store lacks.

    Running the same job again does only what is missing. Exit codes: 0 done, 2 wrong input,
    1 anything else (an interrupted job too).
    """
    from rich.console import Console

    from jobs.job_file import read_job
    from schemas.embed import EmbedJob

    console = Console(stderr=as_json, highlight=False)
    job = read_job(EmbedJob, job_file, overrides)
    from jobs.cluster import join_cluster
    from pipeline.cluster.pool import configure_ray_data
    from pipeline.embed.check import check
    from pipeline.embed.run import embed as embed_collection

    checked = check(job)
    console.print(
        f"{len(checked.unfinished)} of {len(checked.plan.shards)} shards to do in {checked.folder}",
        soft_wrap=True,
    )
    if dry_run:
        return
    if checked.unfinished:
        join_cluster()
        configure_ray_data(progress=False)
    tally = _Tally(console)
    try:
        store = embed_collection(checked, tally.add)
    except KeyboardInterrupt:
        console.print(f"\nstopped after {tally.embedded} images; run the same command to go on")
        raise typer.Exit(1) from None
    tally.print_rejected()
    mib = tally.bytes / 2**20
    console.print(
        f"{tally.embedded} embedded ({mib:.1f} MiB), {tally.known} known, "
        f"{len(tally.rejected)} rejected; the store has {len(store)}: {store.folder.uri}",
        soft_wrap=True,
    )
    if as_json:
        summary = {
            "embedded": tally.embedded,
            "known": tally.known,
            "rejected": len(tally.rejected),
            "bytes": tally.bytes,
            "in_store": len(store),
            "folder": store.folder.uri,
        }
        typer.echo(json.dumps(summary))


class _Tally:
    """Adds up receipts, and prints a line now and then."""

    def __init__(self, console: Console) -> None:
        from jobs.seldom import Seldom

        self.embedded = self.known = self.bytes = 0
        self.rejected: list[tuple[str, str]] = []
        self._console = console
        self._start = time.monotonic()
        self._seldom = Seldom(self._start)

    def add(self, receipt: EmbedReceipt) -> None:
        """Count one committed unit."""
        self.embedded += receipt.embedded
        self.known += receipt.known
        self.bytes += receipt.bytes
        self.rejected += receipt.rejected
        if self._seldom.due():
            pace = self.embedded / (time.monotonic() - self._start)
            self._console.print(f"{self.embedded} images, {pace:.1f}/s")

    def print_rejected(self) -> None:
        """Name the images without an embedding; the first of them, if many."""
        for image_id, reason in self.rejected[:20]:
            self._console.print(f"rejected {image_id}: {reason}", markup=False, soft_wrap=True)
