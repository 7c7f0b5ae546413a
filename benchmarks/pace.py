"""Run the product's dataflow with the model replaced by a sleep: what is left is its own cost.

    python -m benchmarks.pace [--units 1000] [--actors 16] [--unit-seconds 2.7]

Everything is real but the model: shards on an S3 server (moto), readers, one Ray actor process for
each pretended GPU, decoding, encoding, conditional PUTs, the commit. 2.7 s is a unit of 256 images
at 95 images/s, the speed that segment-anything-fast publishes for SAM's ViT-B encoder and decoder
on an A100. A unit here has few and small images, as their decoding would need cores that the GPU
nodes have and this machine has not; what a unit costs beside them does not depend on their number.
"""

import argparse
import io
import logging
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import ray
from PIL import Image

from benchmarks.parts.counting_proxy import counted
from benchmarks.parts.sleeper import SECONDS_PER_IMAGE
from examples.local_s3 import local_bucket
from pipeline.label.check import check
from pipeline.label.run import label
from pipeline.storage.place import Place
from pipeline.workers.pool import on_cluster
from schemas.job.compute import Compute
from schemas.job.label import LabelJob
from schemas.job.storage import Storage
from schemas.record.receipt import Receipt

IMAGES_PER_UNIT = 4
UNITS_PER_SHARD = 40  # 10,240 images of 100 KB at 256 a unit: shards of 1 GB


def main() -> None:
    """Print the pace, the driver's memory, the requests, and the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=1000)
    parser.add_argument("--actors", type=int, default=16)
    parser.add_argument("--unit-seconds", type=float, default=2.7)
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        local_bucket("scale") as (bucket, storage),
        counted(storage["endpoint_url"]) as (address, counts),
    ):
        behind = {**storage, "endpoint_url": address}
        _write_shards(bucket, storage, given.units)
        _start_ray(given.actors, given.unit_seconds)
        job = _job(Path(folder), bucket, behind, given.actors)
        times, memory = _label(job)
        ray.shutdown()
        _print(times, memory, counts(), given)


def _write_shards(bucket: str, storage: dict[str, str], units: int) -> None:
    folder = Place.open(bucket, Storage.model_validate(storage))
    for first in range(0, units, UNITS_PER_SHARD):
        images = IMAGES_PER_UNIT * min(UNITS_PER_SHARD, units - first)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for number in range(images):
                data = _jpeg(first * IMAGES_PER_UNIT + number)
                member = tarfile.TarInfo(f"{number:06d}.jpg")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        folder.below(f"shards/{first // UNITS_PER_SHARD:05d}.tar").replace(buffer.getvalue())


def _jpeg(seed: int) -> bytes:
    small = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((64, 64)).save(buffer, "JPEG")
    return buffer.getvalue()


def _start_ray(actors: int, unit_s: float) -> None:
    environment = {
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
        SECONDS_PER_IMAGE: str(unit_s / IMAGES_PER_UNIT),
    }
    ray.init(
        address="local",
        num_cpus=actors + 2,  # claimed, not there: the actors sleep
        include_dashboard=False,
        logging_level=logging.WARNING,
        runtime_env={
            "env_vars": environment,
            "worker_process_setup_hook": "benchmarks.parts.sleeper.install",
        },
    )


def label_small(folder: Path, images: int) -> None:
    """Label so many small images of one local tar with a model that takes no time."""
    shard = folder / "shards" / "0.tar"
    shard.parent.mkdir()
    data = _jpeg(0)
    with tarfile.open(shard, "w") as tar:
        for number in range(images):
            member = tarfile.TarInfo(f"{number:06d}.jpg")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    _start_ray(actors=1, unit_s=0.0)
    job = _job(folder, str(folder), {}, actors=1)
    label(
        check(job.model_copy(update={"compute": Compute(images_per_unit=256)})),
        lambda _: None,
        on_cluster,
    )
    ray.shutdown()


def _job(folder: Path, bucket: str, storage: dict[str, str], actors: int) -> LabelJob:
    reference = folder / "reference.jpg"
    reference.write_bytes(_jpeg(0))
    nano = {"type": "nano", "weights": "random"}
    box = {"type": "box", "xyxy": [10, 10, 40, 40]}
    return LabelJob.model_validate(
        {
            "targets": {"type": "webdataset", "shards": f"{bucket}/shards"},
            "references": [{"category": "a", "image": str(reference), "annotation": box}],
            "method": {"type": "vrp", "weights": "random", "sam": nano, "backbone": nano},
            "output": {"uri": f"{bucket}/out"},
            "allow_random_weights": True,
            "storage": storage,
            "compute": {
                "images_per_unit": IMAGES_PER_UNIT,
                "batch_size": IMAGES_PER_UNIT,
                "decode_threads": 1,
                "read_tasks": 4,
                "actors": {"min": actors, "max": actors},
            },
        }
    )


def _label(job: LabelJob) -> tuple[list[float], list[float]]:
    """Return the seconds of each unit's receipt and of the commit; the driver's MiB at each."""
    checked = check(job)
    times: list[float] = []
    memory: list[float] = []

    def arrived(_: Receipt) -> None:
        times.append(time.perf_counter())
        memory.append(_resident_mib())

    commit = label(checked, arrived, on_cluster)
    times.append(time.perf_counter())
    memory.append(_resident_mib())
    assert len(commit.parts) == len(times) - 1
    return times, memory


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def _print(
    times: Sequence[float],
    memory: Sequence[float],
    requests: Counter[str],
    given: argparse.Namespace,
) -> None:
    units = len(times) - 1
    # The middle four fifths: actors have all started, and none is out of work.
    first, last = units // 10, units - units // 10
    pace = (last - first) / (times[last] - times[first])
    most = given.actors / given.unit_seconds
    growth_kib = (memory[last] - memory[first]) / (last - first) * 1024
    print(
        f"units/s             {pace:8.2f}   {pace / most:.1%} of {most:.2f}, the sleep's own pace"
    )
    print(f"last unit to commit {times[-1] - times[-2]:8.2f} s")
    print(f"driver              {memory[-1]:8.0f} MiB, grew by {growth_kib:.2f} KiB a unit")
    print(f"requests a unit     {sum(requests.values()) / units:8.2f}   the run's start included")
    for kind, number in sorted(requests.items()):
        print(f"  {kind:17s} {number:8d}   {number / units:.3f} a unit")


if __name__ == "__main__":
    main()
