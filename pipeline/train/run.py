"""Train folds: check the job, run each fold with Ray Train, leave a VRP checkpoint of each."""

from collections.abc import Callable

import pyarrow.fs as pa_fs
import ray
import ray.exceptions
import ray.train
import ray.train.torch
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from pydantic import TypeAdapter
from ray.util.queue import Empty, Queue

from pipeline.cluster.capacity import check_capacity
from pipeline.output.paths import JOB
from pipeline.storage.place import Place
from pipeline.train.actor import gpus_per_worker, train_worker
from pipeline.train.check import CheckedTraining
from pipeline.train.checkpoints import begin_run, newest_checkpoint, read_checkpoint
from pipeline.train.fold import open_fold
from pipeline.train.identity import check_training, sam_contents
from pipeline.train.paths import RUNS, fold_folder
from pipeline.train.result import finish_fold
from schemas.errors import BadInput
from schemas.job.train import FoldResult, TrainFault, TrainJob, TrainProgress

# A whole cluster may be lost and come back; the task only waits for a fold, so it is tried again.
FOLD_RETRIES = 3
POLL_S = 1.0
MESSAGE: TypeAdapter[TrainProgress | TrainFault] = TypeAdapter(TrainProgress | TrainFault)


def train(
    checked: CheckedTraining, on_progress: Callable[[TrainProgress], None]
) -> tuple[FoldResult, ...]:
    """Train the folds that are not finished, as many at once as the cluster has room for.

    on_progress is called in this process. Needs ray to be initialised. Raises BadInput for a fold
    that no further try brings on, at its first.
    """
    results = dict(checked.results)
    text = checked.identity.model_dump_json(indent=1).encode()
    if not checked.output.below(JOB).create(text):
        check_training(checked.output, checked.identity)
    todo = [run.fold.number for run in checked.runs if run.fold.number not in results]
    if todo:
        _check_capacity(checked.job)
        mailbox = Queue(actor_options={"num_cpus": 0})
        mailbox.qsize()  # waits until it runs: handed out before that, it may never start
        pending = [_run_fold.remote(checked.job, number, mailbox) for number in todo]
        while pending:
            done, pending = ray.wait(pending, timeout=POLL_S)
            for message in _taken(mailbox):
                if isinstance(message, TrainFault):
                    raise BadInput(**message.model_dump())
                on_progress(message)
            for text in ray.get(done):
                result = FoldResult.model_validate_json(text)
                results[result.fold] = result
    return tuple(results[run.fold.number] for run in checked.runs)


def _taken(mailbox: Queue) -> list[TrainProgress | TrainFault]:
    taken: list[TrainProgress | TrainFault] = []
    while True:
        try:
            taken.append(MESSAGE.validate_json(mailbox.get_nowait()))
        except (Empty, ray.exceptions.RayActorError):  # its node is lost: no lines, but training
            return taken


@ray.remote(num_cpus=0, max_retries=FOLD_RETRIES)
def _run_fold(job: TrainJob, number: int, mailbox: Queue) -> str:
    """Train a fold from its newest checkpoint; return its result as JSON."""
    output = Place.open(job.output.uri, job.storage)
    runs = output.below(f"{fold_folder(number)}/{RUNS}")
    newest = newest_checkpoint(runs)
    resume = newest[0] if newest else None
    config = {
        "job": job,
        "fold": number,
        "mailbox": mailbox,
        "resume": resume.path if resume else None,
    }
    trainer = ray.train.torch.TorchTrainer(
        train_worker,
        train_loop_config=config,
        scaling_config=_scaling(job),
        run_config=ray.train.RunConfig(
            name=begin_run(runs, resume),
            storage_path=runs.path,
            storage_filesystem=_arrow_filesystem(runs.fs),
            failure_config=ray.train.FailureConfig(max_failures=job.compute.max_failures),
            # The one before the newest too: the newest may be cut off in its upload.
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2),
        ),
    )
    trainer.fit()
    newest = newest_checkpoint(runs)
    assert newest is not None, "a finished fold has saved a checkpoint"
    run = open_fold(job, number, sam_contents(job))
    files = read_checkpoint(newest[0])
    return finish_fold(run, output, files).model_dump_json()


def _resources(job: TrainJob) -> dict[str, float]:
    gpus = gpus_per_worker(job)
    return {"CPU": job.compute.cpus_per_worker} | ({"GPU": gpus} if gpus else {})


def _scaling(job: TrainJob) -> ray.train.ScalingConfig:
    workers = job.compute.workers
    return ray.train.ScalingConfig(
        num_workers=workers.min if workers.min == workers.max else (workers.min, workers.max),
        use_gpu=bool(gpus_per_worker(job)),
        resources_per_worker=_resources(job),
    )


def _arrow_filesystem(fs: AbstractFileSystem) -> pa_fs.FileSystem:
    if isinstance(fs, LocalFileSystem):
        return pa_fs.LocalFileSystem()
    return pa_fs.PyFileSystem(pa_fs.FSSpecHandler(fs))


def _check_capacity(job: TrainJob) -> None:
    """Refuse a job whose smallest group of workers never fits."""
    need = {name: share * job.compute.workers.min for name, share in _resources(job).items()}
    check_capacity(need, "compute.workers.min x the share of each worker")
