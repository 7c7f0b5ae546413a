"""What a cluster has, and may grow to, decides whether a job runs, waits for nodes, or is refused.

Ray's open source autoscaler tells nobody how far it may grow. So the cluster says it itself: the
environment variable VRP_CLUSTER_MAX of its head, e.g. `CPU=64,GPU=16`, as in cluster.yaml. Without
it a cluster is what it is now.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import ray

from schemas.errors import BadInput
from schemas.job.compute import Compute

MAX_VARIABLE = "VRP_CLUSTER_MAX"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Capacity:
    """Resources of a cluster by Ray's names: now, and with every node its autoscaler may add."""

    now: Mapping[str, float]
    most: Mapping[str, float]

    def waits_for(self, need: Mapping[str, float], where: str) -> list[str]:
        """Return the resources that are not there yet, and can come.

        where names the keys of the job that say what it needs. Raises BadInput for what never can.
        """
        missing = [name for name, amount in need.items() if amount > self.now.get(name, 0)]
        for name in missing:
            most = self.grown.get(name, 0)
            if need[name] > most:
                raise BadInput(
                    f"the cluster has too few {name}s for this job",
                    where,
                    f"{most:g} {name}s in the cluster" + (", grown" if self.most else ""),
                    f"{need[name]:g}, or a job that asks for less; for a cluster that grows, "
                    f"{MAX_VARIABLE} on its head, e.g. {name}={need[name]:g}",
                )
        return missing

    @property
    def grown(self) -> dict[str, float]:
        """The most there is or can be."""
        names = self.now.keys() | self.most.keys()
        return {name: max(self.now.get(name, 0), self.most.get(name, 0)) for name in names}

    def most_actors(self, compute: Compute, gpus: float) -> int:
        """Return how many actors of so many GPUs each a pool may grow to."""
        if compute.actors.max is not None:
            return compute.actors.max
        fitting = int(self.grown.get("GPU", 0) / gpus) if gpus else 1
        return max(compute.actors.min, fitting)

    def gpus(self, asked: float | Literal["auto"]) -> float:
        """Return the share of an actor or worker; `auto` is one where there are, or can be, any."""
        if asked != "auto":
            return asked
        return 1.0 if self.grown.get("GPU", 0) else 0.0


def read_capacity() -> Capacity:
    """Ask the cluster that this process has joined. Raises BadInput for a bad VRP_CLUSTER_MAX."""
    return Capacity(ray.cluster_resources(), parse_most(os.environ.get(MAX_VARIABLE, "")))


def parse_most(text: str) -> dict[str, float]:
    """Read `CPU=64,GPU=16`. Raises BadInput."""
    most = {}
    for pair in filter(None, text.split(",")):
        name, _, amount = pair.partition("=")
        try:
            most[name.strip()] = float(amount)
        except ValueError as error:
            raise BadInput(
                "a cluster's greatest size cannot be read", MAX_VARIABLE, pair, "e.g. CPU=64,GPU=16"
            ) from error
    return most


def check_capacity(need: Mapping[str, float], where: str) -> None:
    """Refuse what never fits, for which Ray would wait for ever; warn of a wait for nodes."""
    room = read_capacity()
    if missing := room.waits_for(need, where):
        _LOG.warning(
            "waiting for the cluster to grow: %s",
            ", ".join(f"{need[n]:g} {n}s wanted, {room.now.get(n, 0):g} there" for n in missing),
        )


@dataclass(frozen=True)
class Pool:
    """How many actors, of so many GPUs each."""

    least: int
    most: int
    gpus: float


def check_pool(compute: Compute) -> Pool:
    """Return the pool of a job; refuse one whose least pool and one reader never fit."""
    capacity = read_capacity()
    gpus = capacity.gpus(compute.gpus_per_actor)
    need = {
        "CPU": compute.actors.min * compute.cpus_per_actor + READ_CPUS,
        "GPU": compute.actors.min * gpus,
    }
    check_capacity(need, "compute.actors.min x the share of each actor, and one reader")
    return Pool(compute.actors.min, capacity.most_actors(compute, gpus), gpus)


# Reading waits for storage more than it computes; a whole core each would idle the machine.
READ_CPUS = 0.25
