"""A training job and a fold's number become what that fold is trained on."""

from dataclasses import dataclass, replace

import numpy as np

from pipeline.datasets.index import DatasetIndex, open_index
from pipeline.embed.store import EmbeddingStore, model_fields
from pipeline.episodes.draw import EpisodePool, held_out, make_pool
from pipeline.episodes.folds import split
from pipeline.train.schedule import Schedule, whole_batches
from pipeline.weights.of_method import local_method
from schemas.errors import BadInput
from schemas.fold import Fold
from schemas.job.method import Vrp
from schemas.job.train import TrainJob


@dataclass(frozen=True)
class FoldRun:
    """A fold's data and schedule, opened on this machine."""

    job: TrainJob
    method: Vrp
    """With local paths for weights."""
    fold: Fold
    index: DatasetIndex
    pool: EpisodePool
    held_out: EpisodePool | None
    """Held-out images of the training categories; None: the last checkpoint is taken."""
    schedule: Schedule
    store: EmbeddingStore | None


def open_fold(job: TrainJob, number: int, sam_contents: str) -> FoldRun:
    """Open a fold's index, weights and embeddings; builds an index that is not there yet.

    sam_contents is `sha256:…` of SAM's weights, or `random:SEED`. Raises BadInput for a fold with
    too little to train on or to hold out, BadWeights, BadStorage.
    """
    index = open_index(job.dataset, job.index, job.storage)
    fold = split(job.protocol, number, index.commit.categories)
    kept = np.ones(len(index.images), bool)
    judged = None
    if job.selection.held_out:
        kept = ~held_out(index, job.selection.held_out)
        judged = _held_out_pool(job, index, fold, ~kept)
    pool = make_pool(index, fold.training, job.episodes, kept)
    per_epoch = _per_epoch(job, pool)
    pool = replace(pool, settings=job.episodes.model_copy(update={"per_epoch": per_epoch}))
    method = local_method(job.method, job.storage)
    store = None
    if job.embeddings is not None:
        store = EmbeddingStore(job.embeddings, job.storage, model_fields(method, sam_contents))
    recipe = job.recipe
    schedule = Schedule(recipe.epochs, per_epoch, recipe.batch, recipe.learning_rate)
    return FoldRun(job, method, fold, index, pool, judged, schedule, store)


def _held_out_pool(
    job: TrainJob, index: DatasetIndex, fold: Fold, kept_images: np.ndarray
) -> EpisodePool:
    """Gather the training categories' held-out images: never a novel category."""
    settings = job.episodes.model_copy(
        update={"per_epoch": job.selection.episodes, "negative_share": 0.0}
    )
    try:
        return make_pool(index, fold.training, settings, kept_images)
    except BadInput as error:
        raise BadInput(
            "too few held-out images to select a checkpoint on",
            f"selection.held_out {job.selection.held_out} of {len(index.images)} images",
            error.got,
            "a larger share, or held_out: 0 to take the last checkpoint",
        ) from error


def _per_epoch(job: TrainJob, pool: EpisodePool) -> int:
    asked = job.recipe.episodes_per_epoch
    if asked != "images":
        return asked
    shown = [pool.index.image_of_object[category.present] for category in pool.categories]
    return whole_batches(len(np.unique(np.concatenate(shown))), job.recipe.batch)
