"""Training's figures on this machine: `python -m benchmarks.train PHOTOS [FIGURE …]`.

PHOTOS is a folder of `<class>/<id>.jpg` with masks beside them. Figures: curves, feed, cached,
real. Everything runs on the CPU in fp32 with untrained weights, which costs what trained ones do.
"""

import argparse
import json
import os
import resource
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch.multiprocessing.spawn import start_processes

from model.checkpoints.load import Loader
from model.embed import SamEmbedder
from model.methods.vrp import load_vrp
from pipeline.embed.store import EmbeddingStore, image_key, model_fields, pack_shard, write_shard
from pipeline.episodes.draw import draw_episode, hash_episodes, share_of
from pipeline.episodes.load import EpisodeReader
from pipeline.images.decode import decode_image
from pipeline.output.unit import UnitName
from pipeline.train.feed import EpisodeFeed, InputSizes, input_sizes
from pipeline.train.fold import FoldRun, open_fold
from pipeline.train.learner import Learner, Worker
from pipeline.train.loop import train_fold
from schemas.job.compute import Limits
from schemas.job.train import TrainJob, TrainProgress

SAM = "random:2"
STEPS = 50
BATCH = int(os.environ.get("BATCH", "8"))


def main() -> None:
    """Measure and print one JSON object per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("figures", nargs="*", default=["curves", "feed", "cached"])
    arguments = parser.parse_args()
    figures = {"curves": curves, "feed": feed, "cached": cached, "real": real}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.figures:
            print(json.dumps({name: figures[name](arguments.photos, Path(folder))}), flush=True)


def job_on(photos: Path, folder: Path, sam: str = "nano", backbone: str = "nano") -> TrainJob:
    """Return 50 steps of 8 episodes (BATCH in the environment for fewer); formats drawn."""
    return TrainJob.model_validate(
        {
            "dataset": {"type": "folder", "root": str(photos.resolve())},
            "index": str(folder / "index"),
            "protocol": "all",
            "method": {
                "type": "vrp",
                "weights": "random:1",
                "sam": {"type": sam, "weights": SAM},
                "backbone": {"type": backbone, "weights": "random:3"},
            },
            "recipe": {
                "epochs": 1,
                "learning_rate": 1e-4,
                "batch": BATCH,
                "episodes_per_epoch": BATCH * STEPS,
            },
            "selection": {"held_out": 0},
            "episodes": {
                "formats": {"points": 1, "box": 1, "scribbles": 1, "mask": 1},
                "references": {"min": 1, "max": 1},
            },
            "compute": {"precision": "fp32", "loader_threads": 2},
            "embeddings": str(folder / f"embeddings-{sam}"),
            "output": {"uri": str(folder / "out")},
            "allow_random_weights": True,
        }
    )


class Rows:
    """An outlet that keeps the losses."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def progress(self, progress: TrainProgress) -> None:
        """Say nothing."""

    def checkpoint(self, rows: list[dict[str, Any]], folder: Path | None) -> None:
        """Keep the losses."""
        del folder
        self.losses += [row["loss"] for row in rows]


def curves(photos: Path, folder: Path) -> dict[str, Any]:
    """Compare the loss curves of 1, 2 and 4 workers, and count the episodes they drew."""
    job = job_on(photos, folder)
    run = open_fold(job, 0, SAM)
    measured: dict[int, list[float]] = {}
    for workers in (1, 2, 4):
        out = folder / f"losses-{workers}.json"
        start_processes(_train_rank, (workers, _free_port(), job, out), workers)
        measured[workers] = json.loads(out.read_text())
    hashes = {
        workers: {
            hash_episodes([draw_episode(run.pool, job.seed, 0, number)])
            for rank in range(workers)
            for number in share_of(0, run.schedule.per_epoch, rank, workers)
        }
        for workers in (1, 2, 4)
    }
    return {
        "steps": run.schedule.steps,
        "first_and_last_loss": [measured[1][0], measured[1][-1]],
        "largest_difference_from_1_worker": {
            workers: max(abs(a - b) for a, b in zip(measured[1], curve, strict=True))
            for workers, curve in measured.items()
        },
        "episodes_asked_for": run.schedule.per_epoch,
        "distinct_episodes": {workers: len(found) for workers, found in hashes.items()},
    }


def _train_rank(rank: int, workers: int, port: int, job: TrainJob, out: Path) -> None:
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", address, rank=rank, world_size=workers)
    outlet = Rows()
    train_fold(open_fold(job, 0, SAM), Worker(rank, workers, "cpu", "fp32", 1), outlet, None)
    if rank == 0:
        out.write_text(json.dumps(outlet.losses))
    torch.distributed.destroy_process_group()


def feed(photos: Path, folder: Path) -> dict[str, Any]:
    """Measure the data path alone, at the sizes of ViT-B with ResNet-50."""
    run = open_fold(job_on(photos, folder), 0, SAM)
    found: dict[str, Any] = {}
    for name, sizes in (
        ("with_sam_input", InputSizes(512, 64, 1024)),
        ("embeddings_cached", InputSizes(512, 64, None)),
    ):
        for threads in (1, 2):
            source = EpisodeFeed(EpisodeReader(run.index, run.job.storage), sizes, None, threads)
            episodes = [draw_episode(run.pool, 0, 0, number) for number in range(64)]
            start = time.perf_counter()
            count = sum(1 for _ in source(episodes))
            seconds = time.perf_counter() - start
            source.close()
            found[f"{name}_{threads}_threads_episodes_per_s"] = round(count / seconds, 1)
    return found


def cached(photos: Path, folder: Path, steps: int = 12) -> dict[str, Any]:
    """Measure nano steps with and without stored embeddings, and an embedding's size."""
    return _with_and_without(job_on(photos, folder), steps, batch=8)


def real(photos: Path, folder: Path) -> dict[str, Any]:
    """The same for ViT-B with ResNet-50: one step of 2 episodes."""
    return _with_and_without(job_on(photos, folder, "vit_b", "resnet50"), 1, batch=2)


def _with_and_without(job: TrainJob, steps: int, batch: int) -> dict[str, Any]:
    plain = open_fold(job.model_copy(update={"embeddings": None}), 0, SAM)
    episodes = [draw_episode(plain.pool, 0, 0, number) for number in range(steps * batch)]
    found: dict[str, Any] = {"without_steps_per_s": _pace(plain, steps, batch)}
    wanted = sorted({episode.target_image for episode in episodes})
    found |= _store(job, plain, wanted)
    found["with_steps_per_s"] = _pace(open_fold(job, 0, SAM), steps, batch)
    found["times_faster"] = round(found["with_steps_per_s"] / found["without_steps_per_s"], 2)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    found["peak_memory_mib"] = round(usage.ru_maxrss / 1024)  # KiB on Linux: getrusage(2)
    return found


def _store(job: TrainJob, run: FoldRun, images: list[int]) -> dict[str, Any]:
    """Embed the images as `vrp embed` does, without Ray."""
    assert job.embeddings is not None
    reader = EpisodeReader(run.index, job.storage)
    fields = model_fields(job.method, SAM)
    embedder = SamEmbedder(job.method, "cpu", "fp32")
    start = time.perf_counter()
    embeddings = {}
    for image in images:
        data = reader.read_image(image)
        pixels_HW3 = decode_image(data, Limits()).pixels_HW3
        embeddings[image_key(data)] = embedder.embed([pixels_HW3])[0]
    seconds = time.perf_counter() - start
    data = pack_shard(embeddings, fields)
    store = EmbeddingStore(job.embeddings, job.storage, fields)
    write_shard(store.folder, UnitName("0" * 16, 0, last=True), data)
    return {
        "embedded_images_per_s": round(len(embeddings) / seconds, 2),
        "bytes_per_image": len(data) // len(embeddings),
    }


def _pace(run: FoldRun, steps: int, batch: int) -> float:
    networks = load_vrp(run.job.method, Loader("cpu", "fp32"))
    recipe = run.job.recipe.model_copy(update={"batch": batch})
    learner = Learner(networks, recipe, Worker(0, 1, "cpu", "fp32", 1))
    source = EpisodeFeed(
        EpisodeReader(run.index, run.job.storage), input_sizes(networks), run.store, 2
    )
    tensors: Iterator[Any] = source(
        draw_episode(run.pool, 0, 0, number) for number in range(steps * batch)
    )
    start = time.perf_counter()
    for _ in range(steps):
        learner.learn([next(tensors) for _ in range(batch)], 1e-4)
    seconds = time.perf_counter() - start
    source.close()
    return round(steps / seconds, 4)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


if __name__ == "__main__":
    main()
