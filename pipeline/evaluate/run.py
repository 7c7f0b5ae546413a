"""Run what is missing of an evaluation on a cluster: actors take units, and commit their parts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.actor_pool import ActorPool

from model.networks.device import pick_device, pick_precision
from model.side_by_side import SideBySide
from pipeline.cluster.capacity import read_room
from pipeline.datasets.index import open_index
from pipeline.episodes.load import EpisodeReader
from pipeline.evaluate.check import CheckedEvaluation, of_fold, publish_manifest
from pipeline.evaluate.episodes import variants_of
from pipeline.evaluate.evaluator import Evaluator, Settings
from pipeline.evaluate.units import EvaluationUnit, PartsFolder
from pipeline.storage.files import open_filesystem
from pipeline.weights.fetch import cache_folder
from pipeline.weights.of_method import local_method
from schemas.errors import BadInput
from schemas.evaluate import EvaluateJob

# A unit is tried again when its node or process is lost; as segmenting actors are.
RESTARTS, RETRIES = 8, 3


@dataclass(frozen=True)
class Done:
    """A unit whose parts are committed, and how many rows they hold."""

    unit: str
    methods: tuple[str, ...]
    rows: int


class EvaluateUnits:
    """Holds the methods of one fold at a time, and commits a part for each that a unit lacks."""

    def __init__(self, job: EvaluateJob, contents: Mapping[tuple[str, int], str], folder: str):
        self._job = job
        self._contents = contents
        fs, _ = open_filesystem(job.output.uri, job.storage)
        self._parts = PartsFolder(fs, folder)
        self._reader = EpisodeReader(open_index(job.dataset, job.index, job.storage), job.storage)
        self._loaded: tuple[int, frozenset[str]] | None = None
        self._evaluator: Evaluator | None = None

    def commit(self, unit: EvaluationUnit, names: tuple[str, ...], gpus: float) -> Done:
        """Run the named methods on a unit and write a part of each."""
        rows = self._evaluator_of(unit.fold, names, gpus).count(unit.episodes, names)
        for name in names:
            self._parts.write(self._contents[name, unit.fold], unit.name, rows[name])
        return Done(unit.name, names, sum(len(of_method) for of_method in rows.values()))

    def _evaluator_of(self, fold: int, names: tuple[str, ...], gpus: float) -> Evaluator:
        if self._evaluator is not None and self._loaded is not None:
            loaded_fold, loaded = self._loaded
            if loaded_fold == fold and loaded >= set(names):
                return self._evaluator
        job = self._job
        device = pick_device(gpus)
        methods = SideBySide(
            {name: local_method(of_fold(job.methods[name], fold), job.storage) for name in names},
            device,
            pick_precision(job.compute.precision, device),
            # Target and references, stretched for some methods and padded for others.
            remembered=2 * (1 + max(job.shots)),
            cache=cache_folder(),
        )
        settings = Settings(fold, job.seed, variants_of(job), job.mask_logit, has_contours(job))
        self._evaluator = Evaluator(self._reader, methods, settings)
        self._loaded = (fold, frozenset(names))
        return self._evaluator


def run(checked: CheckedEvaluation, on_done: Callable[[Done], None]) -> None:
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
    room = actors_that_fit(resources, read_room().grown)
    wanted = room if compute.actors == "auto" else compute.actors
    remote = ray.remote(EvaluateUnits).options(
        num_cpus=compute.cpus_per_actor,
        num_gpus=gpus,
        max_restarts=RESTARTS,
        max_task_retries=RETRIES,
    )
    actors = [
        remote.remote(checked.job, checked.contents, checked.parts.folder)
        for _ in range(min(wanted, room, len(todo)))
    ]

    def commit(actor: Any, work: tuple[EvaluationUnit, tuple[str, ...]]) -> Any:
        return actor.commit.remote(*work, gpus)

    # Its type says that it yields lists; it yields what the actors return.
    finished: Any = ActorPool(actors).map_unordered(commit, todo)
    for done in finished:
        on_done(done)


def has_contours(job: EvaluateJob) -> bool:
    """Return whether frames are scored by DAVIS's F too."""
    return job.dataset.type == "davis"


def gpus_per_actor(job: EvaluateJob) -> float:
    """Return each actor's share of GPUs in this cluster."""
    return read_room().gpus(job.compute.gpus_per_actor)


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
