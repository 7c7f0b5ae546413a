"""Score one unit of episodes: the work of one evaluating actor."""

from collections.abc import Mapping
from dataclasses import dataclass

from model.networks.device import pick_device, pick_precision
from model.segmenter import StudyOptions
from model.side_by_side import SideBySide
from pipeline.datasets.index import open_index
from pipeline.episodes.load import EpisodeReader
from pipeline.evaluate.check import head_of_method, of_fold
from pipeline.evaluate.episodes import variants_of
from pipeline.evaluate.evaluator import Evaluator, Settings
from pipeline.evaluate.units import EvaluationUnit, PartsFolder
from pipeline.storage.place import Place
from pipeline.weights.fetch import cache_folder
from pipeline.weights.of_method import local_method
from schemas.job.evaluate import EvaluateJob
from schemas.job.method import always_masked


@dataclass(frozen=True)
class ScoredUnit:
    """A unit whose parts are committed, and how many rows they hold."""

    unit: str
    methods: tuple[str, ...]
    rows: int


class EvaluateUnits:
    """Holds the methods of one fold at a time, and commits a part for each that a unit lacks."""

    def __init__(
        self, job: EvaluateJob, contents: Mapping[tuple[str, int], str], episodes_sha256: str
    ) -> None:
        self._job = job
        self._contents = contents
        output = Place.open(job.output.uri, job.storage)
        self._parts = PartsFolder.of(output, episodes_sha256)
        self._reader = EpisodeReader(open_index(job.dataset, job.index, job.storage), job.storage)
        self._loaded: tuple[int, frozenset[str]] | None = None
        self._evaluator: Evaluator | None = None

    def commit(self, unit: EvaluationUnit, names: tuple[str, ...], gpus: float) -> ScoredUnit:
        """Run the named methods on a unit and write a part of each."""
        rows = self._evaluator_of(unit, names, gpus).count(unit.episodes, names)
        for name in names:
            self._parts.write(self._contents[name, unit.fold], unit.name, rows[name])
        return ScoredUnit(unit.name, names, sum(len(of_method) for of_method in rows.values()))

    def _evaluator_of(self, unit: EvaluationUnit, names: tuple[str, ...], gpus: float) -> Evaluator:
        fold = unit.fold
        if self._evaluator is not None and self._loaded is not None:
            loaded_fold, loaded = self._loaded
            if loaded_fold == fold and loaded >= set(names):
                return self._evaluator
        job = self._job
        device = pick_device(gpus)
        chosen = {name: of_fold(job.methods[name], fold) for name in names}
        heads = {name: head_of_method(job, method) for name, method in chosen.items()}
        methods = SideBySide(
            {
                name: local_method(always_masked(one) if heads[name] else one, job.storage)
                for name, one in chosen.items()
            },
            device,
            pick_precision(job.compute.precision, device),
            # Target and references, stretched for some methods and padded for others.
            remembered=2 * (1 + job.ways * max(job.shots)),
            options=StudyOptions(cache_folder(), evidence=job.presence),
        )
        settings = Settings(
            fold,
            job.seed,
            variants_of(job),
            job.mask_logit,
            has_contours(job),
            {name: head for name, head in heads.items() if head is not None},
            unit.share,
            job.absent == "partly",
        )
        self._evaluator = Evaluator(self._reader, methods, settings)
        self._loaded = (fold, frozenset(names))
        return self._evaluator


def has_contours(job: EvaluateJob) -> bool:
    """Return whether frames are scored by DAVIS's F too."""
    return job.dataset.type == "davis"
