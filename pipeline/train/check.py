"""Find everything that is wrong with a training, and which folds are left."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.datasets.annotation_files import check_photos
from pipeline.storage.files import check_writable
from pipeline.storage.place import Place
from pipeline.train.checkpoints import FoundCheckpoints, find_checkpoints
from pipeline.train.fold import FoldRun, open_fold
from pipeline.train.identity import check_training, identify_training, sam_contents
from pipeline.train.paths import RUNS, fold_folder
from pipeline.train.result import read_result
from schemas.errors import BadInput
from schemas.job.train import FoldResult, TrainIdentity, TrainJob


@dataclass(frozen=True)
class CheckedTraining:
    """A job found sound; nothing but its index has been written."""

    job: TrainJob
    identity: TrainIdentity
    output: Place
    runs: tuple[FoldRun, ...]
    results: dict[int, FoldResult]
    """Of the folds that are finished already."""
    found: dict[int, FoundCheckpoints]
    """Of the folds that are not."""


def check(job: TrainJob, folds: Sequence[int]) -> CheckedTraining:
    """Find everything that is wrong with a job before any worker starts.

    Raises BadInput and its kinds: dataset, fold, weights, storage, another job's output.
    """
    if job.protocol == "all" and set(folds) != {0}:
        raise BadInput(
            "protocol all has one fold", "--fold", str(sorted(set(folds))), "--fold 0, or none"
        )
    sam = sam_contents(job)
    runs = tuple(open_fold(job, number, sam) for number in dict.fromkeys(folds))
    check_photos(runs[0].index.images, job.storage, job.index)
    identity = identify_training(job, runs[0].index.commit)
    output = Place.open(job.output.uri, job.storage)
    check_writable(job.output.uri, job.storage)
    check_training(output, identity)
    by_fold = {run.fold.number: read_result(output, run.fold.number) for run in runs}
    results = {number: result for number, result in by_fold.items() if result is not None}
    found = {
        number: find_checkpoints(output.below(f"{fold_folder(number)}/{RUNS}"))
        for number in by_fold.keys() - results.keys()
    }
    return CheckedTraining(job, identity, output, runs, results, found)
