"""Show receipts as they come: a bar on a terminal, a line now and then without one."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.label.check import CheckedJob
    from schemas.receipt import Receipt


class LabelProgress:
    """Counts what receipts report, and shows it; `images_total` is an estimate for archives.

    How many images a tar holds is known once it has been read: until then the finished shards'
    average stands for the others.
    """

    def __init__(self, checked: CheckedJob, console: Console) -> None:
        from rich.progress import (
            BarColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        from jobs.seldom import Seldom
        from schemas.receipt import StageSeconds

        self.images = self.rejected = self.units = 0
        self.seconds = StageSeconds()
        self._shards_to_do = len(checked.unfinished)
        self._shards_done = 0
        self._exact = sum(
            len(shard.images) for shard, _ in checked.unfinished if shard.kind == "images"
        )
        self._console = console
        self._start = time.monotonic()
        self._seldom = Seldom(self._start)
        self._bar = Progress(
            TextColumn("labeling"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.fields[about]} images"),
            TextColumn("{task.fields[rate]:.1f}/s"),
            TextColumn("rejected {task.fields[rejected]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, about="?", rate=0.0, rejected=0)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    @property
    def images_total(self) -> int | None:
        """Images this run will see, None while nothing tells."""
        if self._exact:
            return self._exact
        if not self._shards_done:
            return None
        return round(self.images / self._shards_done * self._shards_to_do)

    @property
    def images_per_s(self) -> float:
        """Since the run began, the start of actors included."""
        return self.images / max(time.monotonic() - self._start, 1e-9)

    def add(self, receipt: Receipt) -> None:
        """Count one committed unit."""
        self.images += receipt.part.images
        self.rejected += receipt.part.rejected
        self.units += 1
        self.seconds += receipt.seconds
        self._shards_done += receipt.last
        total = self.images_total
        self._bar.update(
            self._task,
            completed=self.images,
            total=total,
            about=total or "?",
            rate=self.images_per_s,
            rejected=self.rejected,
        )
        if not self._console.is_terminal and self._seldom.due():
            self._console.print(self._line(total))

    def _line(self, total: int | None) -> str:
        left_s = (total - self.images) / self.images_per_s if total else None
        ahead = f"of about {total}, {left_s:.0f} s to go, " if left_s is not None else ""
        return f"{self.images} images {ahead}{self.images_per_s:.1f}/s, rejected {self.rejected}"
