"""Give a job its workers: Ray's, or one process where a small job is done sooner without Ray."""

from __future__ import annotations

import os
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from rich.console import Console

    from pipeline.label.run import Work, Workers
    from pipeline.workers.own_process import OwnProcess
    from schemas.job.compute import Compute
    from schemas.record.commit import Commit

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
    fits = cores <= (os.cpu_count() or 1)
    if os.environ.get("RAY_ADDRESS", "").strip() or gpus or not (one and fits):
        return nullcontext()
    from pipeline.workers.own_process import OwnProcess

    return closing(OwnProcess(cores))


def with_workers(
    alone: OwnProcess | None, work: Work, console: Console, do: Callable[[Workers], Commit]
) -> Commit:
    """Return what `do` makes with workers: with the process begun for it, or with Ray's.

    do goes on where it was when it is called a second time, as it is when the process dies.
    """
    from pipeline.workers.own_process import ProcessDied

    if not work:
        return do(lambda *_: iter(()))
    if alone is not None and is_small(work):
        try:
            return do(alone.label)
        except ProcessDied as died:
            console.print(
                f"the process that labelled died (exit code {died}); Ray's workers do what is left",
                markup=False,
            )
    if alone is not None:
        alone.close()
    from jobs.cluster.connect import join_cluster
    from jobs.cluster.node_events import watch_nodes
    from pipeline.workers.pool import on_cluster

    join_cluster()
    with watch_nodes(console):
        return do(on_cluster)


def is_small(work: Work) -> bool:
    """True where what is left of a job is done before Ray has begun, or about."""
    images = sum(len(shard.images) for shard, _ in work)
    size_bytes = sum(shard.size_bytes for shard, _ in work)
    return images <= SMALL_IMAGES and size_bytes <= SMALL_BYTES
