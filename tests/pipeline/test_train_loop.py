"""A fold's loop without Ray: the same curve from any number of workers and after any stop."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed
import torch.multiprocessing

from pipeline.fold_run import open_fold
from pipeline.learner import Worker
from pipeline.train_loop import train_fold
from schemas.train import TrainJob, TrainProgress
from tests.pipeline.train_made import a_job, write_dataset

SAM = "random:2"


class Kept:
    """An outlet that keeps everything in memory; `stop_after` checkpoints it dies like a worker."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.rows: list[dict[str, Any]] = []
        self.checkpoints: list[dict[str, bytes]] = []
        self.lines: list[TrainProgress] = []
        self._stop_after = stop_after

    def progress(self, progress: TrainProgress) -> None:
        self.lines.append(progress)

    def checkpoint(self, rows: list[dict[str, Any]], folder: Path | None) -> None:
        self.rows += rows
        if folder is not None:
            self.checkpoints.append({f.name: f.read_bytes() for f in folder.iterdir()})
        if len(self.checkpoints) == self._stop_after:
            raise KeyboardInterrupt


def losses(kept: Kept) -> list[float]:
    return [row["loss"] for row in kept.rows]


def run(
    job: TrainJob, resume: dict[str, bytes] | None = None, stop_after: int | None = None
) -> Kept:
    kept = Kept(stop_after)
    worker = Worker(rank=0, workers=1, device="cpu", precision="fp32", episodes_per_pass=1)
    try:
        train_fold(open_fold(job, 0, SAM), worker, kept, resume)
    except KeyboardInterrupt:
        assert stop_after is not None
    return kept


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("train")
    write_dataset(folder / "data")
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> Kept:
    return run(a_job(folder))


def test_a_run_that_goes_on_from_a_checkpoint_ends_with_the_same_bytes(folder: Path, whole: Kept):
    stopped = run(a_job(folder), stop_after=1)
    assert len(stopped.rows) == 2
    resumed = run(a_job(folder), resume=stopped.checkpoints[-1])
    assert losses(stopped) + losses(resumed) == losses(whole)
    assert resumed.checkpoints[-1] == whole.checkpoints[-1]


def _one_of(rank: int, workers: int, port: int, job: TrainJob, out: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=workers
    )
    kept = Kept()
    worker = Worker(rank, workers, "cpu", "fp32", episodes_per_pass=1)
    train_fold(open_fold(job, 0, SAM), worker, kept, None)
    if rank == 0:
        torch.save(losses(kept), out)
    torch.distributed.destroy_process_group()


def test_three_workers_give_the_curve_of_one_though_the_batch_does_not_divide(
    folder: Path, whole: Kept, tmp_path: Path, unused_port: int
):
    out = str(tmp_path / "losses.pt")
    torch.multiprocessing.spawn(_one_of, (3, unused_port, a_job(folder), out), nprocs=3)
    assert torch.load(out, weights_only=True) == pytest.approx(losses(whole), abs=1e-5)
