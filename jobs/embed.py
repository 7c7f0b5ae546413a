"""vrp embed: compute SAM's embeddings of a collection once, for training and labeling."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.terminal.options import AsJson, Overrides

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.cluster.run_record import RunRecord
    from pipeline.embed.check import CheckedEmbedding
    from pipeline.embed.store import EmbeddingStore
    from schemas.job.embed import EmbedReceipt


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
    from jobs.terminal.console import open_console
    from jobs.terminal.job_file import read_embedding

    console = open_console(as_json)
    job = read_embedding(job_file, overrides)
    # Only now: they take seconds, which a mistake in the job need not wait for.
    from jobs.cluster.run_record import RunRecord
    from pipeline.embed.check import check

    with RunRecord("embed", job.embeddings, job.storage) as record:
        checked = check(job)
        console.print(
            f"{len(checked.unfinished)} of {len(checked.plan.shards)} shards to do in "
            f"{checked.folder}"
        )
        if dry_run:
            return
        tally = EmbedTally(console)
        store = _run(checked, tally, record, console)
    tally.print_rejected()
    console.print(tally.summary(store))
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


def _run(
    checked: CheckedEmbedding, tally: EmbedTally, record: RunRecord, console: Console
) -> EmbeddingStore:
    from jobs.cluster.connect import join_cluster
    from jobs.cluster.node_events import watch_nodes
    from pipeline.cluster.pool import configure_ray_data
    from pipeline.embed.run import embed as embed_collection

    if not checked.unfinished:
        return embed_collection(checked, tally.add)
    record.begin(console, alone=False)  # a store is for any number of jobs
    join_cluster()
    configure_ray_data(progress=False)
    try:
        with watch_nodes(console):
            return embed_collection(checked, tally.add)
    except KeyboardInterrupt:
        console.print(f"\nstopped after {tally.embedded} images; run the same command to go on")
        raise typer.Exit(1) from None


class EmbedTally:
    """Adds up receipts, and prints a line now and then."""

    def __init__(self, console: Console) -> None:
        from jobs.terminal.pace import Pace
        from jobs.terminal.seldom import Seldom

        self.embedded = self.known = self.bytes = 0
        self.rejected: list[tuple[str, str]] = []
        self._console = console
        self._seldom = Seldom(time.monotonic())
        self._pace = Pace()

    def add(self, receipt: EmbedReceipt) -> None:
        """Count one committed unit."""
        self.embedded += receipt.embedded
        self.known += receipt.known
        self.bytes += receipt.bytes
        self.rejected += receipt.rejected
        self._pace.add(receipt.embedded)
        if self._seldom.due():
            pace = self._pace.per_s()
            speed = f", {pace:.1f}/s" if pace is not None else ""
            self._console.print(f"{self.embedded} images{speed}")

    def summary(self, store: EmbeddingStore) -> str:
        """Say what was done, and how it adds up with what the store has."""
        images = self.embedded + self.known + len(self.rejected)
        return (
            f"{images} images: {self.embedded} embedded ({self.bytes / 2**20:.1f} MiB), "
            f"{self.known} known, {len(self.rejected)} rejected; the store has {len(store)} "
            f"embeddings, of all its jobs, each photo's once however many files are equal to it: "
            f"{store.folder.uri}"
        )

    def print_rejected(self) -> None:
        """Name the images without an embedding; the first of them, if many."""
        for image_id, reason in self.rejected[:20]:
            self._console.print(f"rejected {image_id}: {reason}", markup=False, soft_wrap=True)
