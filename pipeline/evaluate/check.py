"""An evaluation job becomes its episodes and its methods, each named by contents."""

from dataclasses import dataclass

import pyarrow as pa

from pipeline.datasets.annotation_files import check_photos
from pipeline.datasets.index import DatasetIndex, open_index
from pipeline.episodes.folds import same_categories
from pipeline.evaluate.episodes import (
    FoldEpisodes,
    draw_fold,
    hash_manifest,
    manifest,
)
from pipeline.evaluate.paths import episodes_file
from pipeline.evaluate.units import EvaluationUnit, PartsFolder, cut
from pipeline.presence.heads import hash_of, head_for
from pipeline.storage.files import check_writable
from pipeline.storage.place import Place
from pipeline.storage.tables import to_parquet
from pipeline.weights.of_method import categories_seen, weight_contents
from schemas.errors import BadInput
from schemas.fingerprint import fingerprint_of, leaves
from schemas.job.evaluate import EvaluateJob
from schemas.job.method import Method
from schemas.job.weights import weights_of, with_weights
from schemas.record.presence import PresenceHead

EVALUATION_REVISION = 2  # raised by whoever changes code so that the same job counts otherwise


@dataclass(frozen=True)
class CheckedEvaluation:
    """A job found sound; nothing but its index has been written."""

    job: EvaluateJob
    index: DatasetIndex
    folds: tuple[FoldEpisodes, ...]
    units: tuple[EvaluationUnit, ...]
    manifest: pa.Table
    """The episodes: EPISODES_SCHEMA."""
    episodes_sha256: str
    contents: dict[tuple[str, int], str]
    """By method and fold: a hash of the settings and weights that the counts depend on."""
    output: Place
    parts: PartsFolder
    done: dict[str, set[str]]
    """Units with a part, by contents."""

    def missing(self, unit: EvaluationUnit) -> tuple[str, ...]:
        """Return the methods that a unit has no part of."""
        return tuple(
            name
            for name in self.job.methods
            if unit.name not in self.done[self.contents[name, unit.fold]]
        )

    @property
    def episodes_name(self) -> str:
        """The manifest's file name."""
        return episodes_file(self.episodes_sha256)


def check(job: EvaluateJob) -> CheckedEvaluation:
    """Find everything that is wrong with a job before any worker starts.

    Raises BadInput and its kinds: dataset, fold, weights, storage.
    """
    index = open_index(job.dataset, job.index, job.storage)
    check_photos(index.images, job.storage, job.index)
    folds = tuple(draw_fold(job, index, number) for number in job.fold_numbers)
    contents = {
        (name, number): method_contents(job, of_fold(method, number))
        for name, method in job.methods.items()
        for number in job.fold_numbers
    }
    if job.protocol != "all" and job.classes == "novel":
        for fold in folds:
            _check_unseen(job, index, fold)
    output = Place.open(job.output.uri, job.storage)
    check_writable(job.output.uri, job.storage)
    episodes = manifest(job, index, folds)
    digest = hash_manifest(episodes, index)
    parts = PartsFolder.of(output, digest)
    return CheckedEvaluation(
        job=job,
        index=index,
        folds=folds,
        units=cut(folds, job.compute.episodes_per_unit),
        manifest=episodes,
        episodes_sha256=digest,
        contents=contents,
        output=output,
        parts=parts,
        done=parts.done(set(contents.values())),
    )


def _check_unseen(job: EvaluateJob, index: DatasetIndex, fold: FoldEpisodes) -> None:
    """Raise BadInput for weights that were trained on what a fold asks for as novel."""
    names = {category.id: category.name for category in index.commit.categories}
    asked = {names[episode.category_id] for episode in fold.episodes}
    for name, method in job.methods.items():
        of_this = of_fold(method, fold.number)
        if seen := same_categories(asked, categories_seen(of_this, job.storage)):
            raise BadInput(
                "weights that were trained on a fold's novel categories",
                f"methods.{name}.weights, fold {fold.number} of protocol {job.protocol}",
                f"{weights_of(of_this)['method.weights']}, trained on {', '.join(seen)}",
                "weights of the same fold ({fold} in their path); to score what they know, "
                "classes: base, or protocol: all",
            )


def publish_manifest(checked: CheckedEvaluation) -> None:
    """Write the episodes beside the results to come; the same episodes have the same name."""
    about = {"sha256": checked.episodes_sha256, "dataset": checked.job.dataset.model_dump_json()}
    table = checked.manifest.replace_schema_metadata(about)
    checked.output.below(checked.episodes_name).create(to_parquet(table))


def of_fold(method: Method, number: int) -> Method:
    """Return the method with `{fold}` in its weights paths replaced."""
    return with_weights(
        method,
        {
            key: weights.replace("{fold}", str(number))
            for key, weights in weights_of(method).items()
        },
    )


def head_of_method(job: EvaluateJob, method: Method) -> PresenceHead | None:
    """Return what says how probable presence is, where the job asks. Raises BadInput."""
    return head_for(method, job.presence_head, job.storage) if job.presence else None


def method_contents(job: EvaluateJob, method: Method) -> str:
    """Return the sha256 of all that a method's counts depend on besides the episodes.

    Raises BadWeights; BadInput where probabilities of presence are asked for, and it has no head.
    """
    head = head_of_method(job, method)
    settings = {
        key: value
        for key, value in leaves("method", method.model_dump(mode="json"))
        if key not in weights_of(method)
    }
    weights = weight_contents(method, job.storage)
    return fingerprint_of(
        {
            **settings,
            **weights,
            "mask_logit": str(job.mask_logit),
            **({} if head is None else {"presence.head": hash_of(head)}),
            "revision": str(EVALUATION_REVISION),
        }
    )
