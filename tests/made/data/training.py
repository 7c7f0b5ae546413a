"""A small dataset of drawn shapes, jobs that train nano networks on it, and a fold trained here."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.train.fold import open_fold
from pipeline.train.learner import Worker
from pipeline.train.loop import train_fold
from schemas.job.train import TrainJob, TrainProgress

SAM = "random:2"
COLOURS = ((200, 60, 60), (60, 200, 60), (60, 60, 200))


def write_dataset(
    root: Path, names: tuple[str, str, str] = ("disc", "square", "stripe"), side_px: int = 96
) -> Path:
    """Write six `<class>/<id>.jpg` of a disc, a square and a stripe, with masks beside them."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side_px, :side_px]
    for shape, (name, colour) in enumerate(zip(names, COLOURS, strict=True)):
        for number in range(6):
            cy, cx = rng.integers(30, side_px - 30, 2)
            match shape:
                case 0:
                    mask_HW = (y - cy) ** 2 + (x - cx) ** 2 < 26**2
                case 1:
                    mask_HW = (abs(y - cy) < 25) & (abs(x - cx) < 25)
                case _:
                    mask_HW = abs(y - cy) < 14
            pixels = rng.integers(90, 160, (side_px, side_px, 3), dtype=np.uint8)
            pixels[mask_HW] = colour
            folder = root / name
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=95)
            Image.fromarray(mask_HW.astype(np.uint8) * 255).save(folder / f"{number}.png")
    return root


def a_job(folder: Path, **changes: Any) -> TrainJob:
    """Return a job over `folder`/data with its output in `folder`/out; nano, random weights."""
    document: dict[str, Any] = {
        "dataset": {"type": "folder", "root": str(folder / "data")},
        "index": str(folder / "index"),
        "protocol": "all",
        "method": {
            "type": "vrp",
            "weights": "random:1",
            "sam": {"type": "nano", "weights": "random:2"},
            "backbone": {"type": "nano", "weights": "random:3"},
            "queries": 4,
        },
        "recipe": {"epochs": 2, "learning_rate": 1e-4, "batch": 4, "episodes_per_epoch": 4},
        "selection": {"held_out": 0},
        "episodes": {"formats": {"mask": 1, "box": 1}, "references": {"min": 1, "max": 2}},
        "compute": {"precision": "fp32", "loader_threads": 1},
        "output": {"uri": str(folder / "out")},
        "allow_random_weights": True,
    }
    return TrainJob.model_validate({**document, **changes})


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
    """The loss of every step."""
    return [row["loss"] for row in kept.rows]


def run(
    job: TrainJob, resume: dict[str, bytes] | None = None, stop_after: int | None = None
) -> Kept:
    """Train fold 0 in this process, from a checkpoint or from its beginning."""
    kept = Kept(stop_after)
    worker = Worker(rank=0, workers=1, device="cpu", precision="fp32", episodes_per_pass=1)
    try:
        train_fold(open_fold(job, 0, SAM), worker, kept, resume)
    except KeyboardInterrupt:
        assert stop_after is not None
    return kept
