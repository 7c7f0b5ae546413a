"""Show receipts as they come: a bar on a terminal, a line now and then without one."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.terminal.pace import Pace
    from jobs.terminal.tally import Tally
    from pipeline.label.check import CheckedJob
    from schemas.record.receipt import Receipt


class LabelProgress:
    """Counts what receipts report, and shows it."""

    def __init__(self, checked: CheckedJob, console: Console) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        from jobs.terminal.pace import Pace
        from jobs.terminal.seldom import Seldom
        from jobs.terminal.tally import Tally
        from schemas.record.receipt import StageSeconds

        self.seconds = StageSeconds()
        self.taken = 0
        self._tally = Tally(checked.unfinished)
        self._names = {shard.id: shard.name for shard, _ in checked.unfinished}
        self._pace = Pace()
        self._console = console
        self._seldom = Seldom(time.monotonic())
        self._bar = Progress(
            TextColumn("labeling"),
            BarColumn(),
            TextColumn("{task.fields[line]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=None, line="")

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
    def images(self) -> int:
        """Images that this run has committed."""
        return self._tally.images

    def add(self, receipt: Receipt) -> None:
        """Count one committed unit, and say where a worker's death had it done again."""
        if not self._tally.add(receipt):
            return
        self.seconds += receipt.seconds
        self.taken += receipt.taken
        self._pace.add(receipt.part.images)
        if receipt.again:
            shard = self._names.get(receipt.shard_id, receipt.shard_id)
            self._console.print(
                "a worker died or was stopped; its unit is done again: "
                f"{receipt.part.images} images of {shard}",
                markup=False,
            )
        line = describe(self._tally, self._pace)
        total = self._tally.total()
        self._bar.update(
            self._task, completed=self.images, total=total[0] if total else None, line=line
        )
        if not self._console.is_terminal and self._seldom.due():
            self._console.print(line)


def describe(tally: Tally, pace: Pace) -> str:
    """Say how far a run is; `about` is an estimate, from the files that were read to their end."""
    line = f"{tally.images}"
    ahead = ""
    if total := tally.total():
        count, exact = total
        line += f" of {'' if exact else 'about '}{count}"
        ahead = pace.to_go(count - tally.images)
    rate = pace.per_s()
    speed = f", {rate:.1f}/s" if rate is not None else ""
    return f"{line} images{speed}{ahead}, rejected {tally.rejected}"


def tell_done(checked: CheckedJob, console: Console) -> None:
    """Say how much there is to do of a job that begins or goes on."""
    from pipeline.output.unit import list_units
    from pipeline.status.images import count_images

    if checked.done:
        return
    units = list_units(checked.output)
    shards = checked.plan.shards
    listed = all(shard.kind == "images" for shard in shards)
    images = sum(len(shard.images) for shard in shards)
    if not units:
        console.print(f"{len(shards)} shards to do" + (f", {images} images" if listed else ""))
        return
    found = count_images(checked.output, shards, units, checked.commit)
    of_all = f" of {images}" if listed else ""
    finished = len(shards) - len(checked.unfinished)
    console.print(
        f"going on: {at_most(*found)}{of_all} images already done, in {len(units)} units; "
        f"{finished} of {len(shards)} shards are finished"
    )


def at_most(least: int, most: int) -> str:
    """Say a count that is exact, or lies between two."""
    if least == most:
        return str(least)
    return f"{least} to {most} (tars whose last unit was not looked into)"
