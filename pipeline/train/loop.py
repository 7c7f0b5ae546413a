"""One worker's training of one fold: from a checkpoint, or from nothing, to the last step.

Knows nothing of Ray: what it needs of the outside comes in as an `Outlet`.
"""

import math
import tempfile
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from model.checkpoints.load import Loader
from model.methods.vrp import load_vrp
from pipeline.episodes.draw import Episode, draw_episode, share_of
from pipeline.episodes.load import EpisodeReader
from pipeline.train.feed import EpisodeFeed, input_sizes
from pipeline.train.fold import FoldRun
from pipeline.train.learner import Learner, Worker
from pipeline.train.schedule import Schedule
from pipeline.train.state import Best, encoder_tensors, load_state, save_state
from schemas.errors import BadInput
from schemas.job.train import TrainProgress, TrainState

# Losses are read from the device, and summed over workers, once in so many steps: reading waits.
STEPS_PER_READ = 10
# Held-out episodes have a seed of their own, so that they are the same at every look.
HELD_OUT_SEED = 2**32


class Outlet(Protocol):
    """Where a worker's results go; rank 0 alone brings rows and a folder."""

    def progress(self, progress: TrainProgress) -> None:
        """Show how far the fold is."""
        ...

    def checkpoint(self, rows: list[dict[str, Any]], folder: Path | None) -> None:
        """Keep the rows since the last checkpoint, then the checkpoint. Every worker calls this."""
        ...


def train_fold(
    run: FoldRun, worker: Worker, outlet: Outlet, resume: Mapping[str, bytes] | None
) -> None:
    """Train to the last step; resume holds the files of the checkpoint to go on from."""
    networks = load_vrp(run.method, Loader(worker.device, "fp32"))
    learner = Learner(networks, run.job.recipe, worker)
    reader = EpisodeReader(run.index, run.job.storage)
    feed = EpisodeFeed(reader, input_sizes(networks), run.store, run.job.compute.loader_threads)
    try:
        _FoldTraining(run, learner, feed, outlet).train(resume)
    finally:
        feed.close()


class _FoldTraining:
    """The state of a running loop: what the next checkpoint will hold."""

    def __init__(self, run: FoldRun, learner: Learner, feed: EpisodeFeed, outlet: Outlet) -> None:
        self._run, self._learner, self._feed, self._outlet = run, learner, feed, outlet
        self._best = Best(0, None, encoder_tensors(learner.networks.encoder))
        self._unread: list[tuple[int, Tensor]] = []
        self._rows: list[dict[str, Any]] = []

    def train(self, resume: Mapping[str, bytes] | None) -> None:
        """Go through the steps; every worker reads, judges and saves after the same ones."""
        learner, schedule = self._learner, self._run.schedule
        start = 0
        if resume is not None:
            state, self._best = load_state(resume, learner.networks.encoder, learner.optimizer)
            start = state.step
        tensors = self._feed(self._episodes(start))
        pace = _Pace(schedule, start)
        for step in range(start, schedule.steps):
            share = list(islice(tensors, len(self._share(step))))
            self._unread.append((step, learner.learn(share, schedule.rate_at(step))))
            keep = schedule.ends_epoch(step) or self._checkpoint_due(step)
            if keep or (step + 1) % STEPS_PER_READ == 0:
                miou = self._judge(step)
                self._read_losses(pace, miou)
            if keep:
                self._save(step)

    def _checkpoint_due(self, step: int) -> bool:
        return (step + 1) % self._run.job.compute.checkpoint_every_steps == 0

    def _share(self, step: int) -> range:
        """Return the numbers of this worker's episodes in a step."""
        _, first = self._run.schedule.position(step)
        worker = self._learner.worker
        return share_of(first, first + self._run.schedule.batch, worker.rank, worker.workers)

    def _episodes(self, start: int) -> Iterator[Episode]:
        for step in range(start, self._run.schedule.steps):
            epoch, _ = self._run.schedule.position(step)
            for number in self._share(step):
                yield draw_episode(self._run.pool, self._run.job.seed, epoch, number)

    def _judge(self, step: int) -> float | None:
        """Return the mIoU on held-out images after the epochs that are judged, and keep the best.

        mIoU: the mean over categories of summed intersections by summed unions, on the square that
        the loss is computed on.
        """
        run, schedule, every = self._run, self._run.schedule, self._run.job.selection.every_epochs
        epoch, _ = schedule.position(step)
        last = step + 1 == schedule.steps
        due = schedule.ends_epoch(step) and ((epoch + 1) % every == 0 or last)
        if run.held_out is None or not due:
            return None
        worker = self._learner.worker
        numbers = share_of(0, run.job.selection.episodes, worker.rank, worker.workers)
        episodes = [draw_episode(run.held_out, HELD_OUT_SEED, 0, n) for n in numbers]
        rows = {pool.category_id: row for row, pool in enumerate(run.held_out.categories)}
        overlap_K2 = torch.zeros(len(rows), 2, dtype=torch.float64)
        tensors = self._feed(episodes)
        for start in range(0, len(episodes), worker.episodes_per_pass):
            chosen = episodes[start : start + worker.episodes_per_pass]
            overlap_B2 = self._learner.overlaps(list(islice(tensors, len(chosen))))
            places = torch.tensor([rows[e.category_id] for e in chosen])
            overlap_K2.index_add_(0, places, overlap_B2)
        overlap_K2 = self._learner.sum_over_workers(overlap_K2)
        seen_K2 = overlap_K2[overlap_K2[:, 1] > 0]
        miou = float((seen_K2[:, 0] / seen_K2[:, 1]).mean()) if len(seen_K2) else 0.0
        if self._best.miou is None or miou > self._best.miou:
            self._best = Best(step + 1, miou, encoder_tensors(self._learner.networks.encoder))
        return miou

    def _read_losses(self, pace: "_Pace", miou: float | None) -> None:
        """Turn the losses since the last reading into rows, the same on every worker."""
        schedule, worker = self._run.schedule, self._learner.worker
        sums = torch.stack([loss for _, loss in self._unread])
        losses = (self._learner.sum_over_workers(sums) / schedule.batch).tolist()
        rate = pace.episodes_per_s(self._unread[-1][0] + 1)
        for (step, _), loss in zip(self._unread, losses, strict=True):
            if not math.isfinite(loss):
                raise BadInput(
                    "the loss is no longer finite",
                    f"fold {self._run.fold.number}, step {step}",
                    str(loss),
                    "compute.precision: fp32, which goes on from the last checkpoint; or a lower "
                    "recipe.learning_rate, and another output",
                )
            row = {"step": step, "epoch": schedule.position(step)[0], "loss": loss}
            row |= {"learning_rate": schedule.rate_at(step), "episodes_per_s": rate}
            self._rows.append(row | {"workers": worker.workers, "held_out_miou": None})
        self._rows[-1]["held_out_miou"] = miou
        done = self._unread[-1][0] + 1
        self._unread.clear()
        if worker.rank == 0:
            self._outlet.progress(
                TrainProgress(
                    fold=self._run.fold.number,
                    step=done,
                    steps=schedule.steps,
                    loss=sum(losses) / len(losses),
                    learning_rate=schedule.rate_at(done - 1),
                    episodes_per_s=rate,
                    eta_s=pace.eta_s(done),
                    workers=worker.workers,
                    held_out_miou=miou,
                    begun_at=pace.start,
                    begun=pace.begun,
                )
            )

    def _save(self, step: int) -> None:
        learner, schedule = self._learner, self._run.schedule
        rows, self._rows = self._rows, []
        if learner.worker.rank != 0:
            self._outlet.checkpoint([], None)
            return
        if self._best.miou is None:  # nothing judged yet, or nothing held out: the latest is it
            self._best = Best(step + 1, None, encoder_tensors(learner.networks.encoder))
        state = TrainState(
            fold=self._run.fold.number,
            step=step + 1,
            next_episode=schedule.position(step + 1),
            learning_rate=schedule.rate_at(step),
            best_step=self._best.step,
            best_miou=self._best.miou,
            sha256={},
        )
        with tempfile.TemporaryDirectory() as folder:
            encoder, optimizer = learner.networks.encoder, learner.optimizer
            save_state(Path(folder), encoder, optimizer, self._best, state)
            self._outlet.checkpoint(rows, Path(folder))


class _Pace:
    """How fast episodes are learnt from: since the last question, and since the start."""

    def __init__(self, schedule: Schedule, start: int) -> None:
        self._schedule = schedule
        self.start = self._last = start
        self.begun = time.time()
        self._began = self._asked = time.monotonic()

    def episodes_per_s(self, done: int) -> float:
        """Return the rate since the last question; done counts steps."""
        now = time.monotonic()
        rate = (done - self._last) * self._schedule.batch / max(now - self._asked, 1e-9)
        self._last, self._asked = done, now
        return rate

    def eta_s(self, done: int) -> float:
        """Return the time to go at the mean pace so far."""
        steps_per_s = (done - self.start) / max(time.monotonic() - self._began, 1e-9)
        return (self._schedule.steps - done) / steps_per_s
