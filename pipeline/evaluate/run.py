"""Run what is missing of an evaluation on a cluster: actors take units, and commit their parts."""

from collections.abc import Callable, Mapping
from typing import Any

import ray
from ray.util.actor_pool import ActorPool

from pipeline.cluster.capacity import read_capacity
from pipeline.evaluate.actor import EvaluateUnits, ScoredUnit
from pipeline.evaluate.check import CheckedEvaluation, publish_manifest
from pipeline.evaluate.units import EvaluationUnit
from schemas.errors import BadInput
from schemas.job.evaluate import EvaluateJob

# A unit is tried again when its node or process is lost; as segmenting actors are.
RESTARTS, RETRIES = 8, 3


def evaluate(checked: CheckedEvaluation, on_done: Callable[[ScoredUnit], None]) -> None:
    """Run every unit that lacks a part of some method. Needs ray to be initialised.

    on_done is called in this process. Raises BadInput when no actor fits in the cluster.
    """
    todo = [(unit, names) for unit in checked.units if (names := checked.missing(unit))]
    publish_manifest(checked)
    if not todo:
        return
    compute = checked.job.compute
    gpus = gpus_per_actor(checked.job)
    resources = {"CPU": compute.cpus_per_actor} | ({"GPU": gpus} if gpus else {})
    room = actors_that_fit(resources, read_capacity().grown)
    wanted = room if compute.actors == "auto" else compute.actors
    remote = ray.remote(EvaluateUnits).options(
        num_cpus=compute.cpus_per_actor,
        num_gpus=gpus,
        max_restarts=RESTARTS,
        max_task_retries=RETRIES,
    )
    actors = [
        remote.remote(checked.job, checked.contents, checked.episodes_sha256)
        for _ in range(min(wanted, room, len(todo)))
    ]

    def commit(actor: Any, work: tuple[EvaluationUnit, tuple[str, ...]]) -> Any:
        return actor.commit.remote(*work, gpus)

    # Its type says that it yields lists; it yields what the actors return.
    finished: Any = ActorPool(actors).map_unordered(commit, todo)
    for done in finished:
        on_done(done)


def gpus_per_actor(job: EvaluateJob) -> float:
    """Return each actor's share of GPUs in this cluster."""
    return read_capacity().gpus(job.compute.gpus_per_actor)


def actors_that_fit(needed: Mapping[str, float], have: Mapping[str, float]) -> int:
    """Return how many actors a cluster has room for. Raises BadInput for none."""
    fit = min(int(have.get(name, 0) / share) for name, share in needed.items())
    if fit < 1:
        raise BadInput(
            "the cluster has no room for an evaluating actor",
            "compute.cpus_per_actor and gpus_per_actor",
            ", ".join(f"{have.get(name, 0):g} {name}s in the cluster" for name in needed),
            ", ".join(f"{share:g} {name}s" for name, share in needed.items()),
        )
    return fit
