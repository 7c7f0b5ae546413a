"""Decide whether a job needs Ray: a small one, of one worker, is done sooner without."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pipeline.label.run import Work
    from pipeline.workers.own_process import OwnProcess
    from schemas.job.compute import Compute

# One unit as jobs cut them, and what as many photos for the web take.
SMALL_IMAGES = 256
SMALL_BYTES = 64 * 2**20
# Drivers of NVIDIA's and AMD's make them. Whether torch can use a GPU is asked of Ray's workers.
OF_GPUS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))


def begin_alone(compute: Compute) -> AbstractContextManager[OwnProcess | None]:
    """Begin the process that a small job needs, unless this one is for a cluster.

    RAY_ADDRESS says that it is, `local` too. So does more than one worker, or a GPU.
    """
    one = compute.actors.min == 1 and compute.actors.max in (None, 1)
    gpus = compute.gpus_named > 0 or any(path.exists() for path in OF_GPUS)
    cores = int(max(compute.cpus_per_actor, 1))
    if os.environ.get("RAY_ADDRESS", "").strip() or not one or gpus or cores > _cores():
        return nullcontext()
    from pipeline.workers.own_process import OwnProcess

    return OwnProcess(cores)


def is_small(work: Work) -> bool:
    """True where what is left of a job is done before Ray has begun, or about."""
    images = sum(len(shard.images) for shard, _ in work)
    size_bytes = sum(shard.size_bytes for shard, _ in work)
    return images <= SMALL_IMAGES and size_bytes <= SMALL_BYTES


def _cores() -> int:
    return len(os.sched_getaffinity(0))
