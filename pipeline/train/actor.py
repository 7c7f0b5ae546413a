"""What Ray Train starts on every worker: one share of a fold's training, and its way out."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ray
import ray.exceptions
import ray.train
import ray.train.torch
from ray.util.queue import Queue

from model.networks.device import pick_device, pick_precision
from pipeline.cluster.capacity import read_capacity
from pipeline.monitoring.log import start_log
from pipeline.storage.place import Place
from pipeline.train.checkpoints import read_checkpoint
from pipeline.train.fold import open_fold
from pipeline.train.identity import sam_contents
from pipeline.train.learner import Worker
from pipeline.train.loop import train_fold
from pipeline.train.metrics import write_metrics
from pipeline.train.monitoring import watch_training
from pipeline.train.paths import fold_folder
from schemas.errors import BadInput, BadStorage
from schemas.job.train import TrainFault, TrainJob, TrainProgress


def train_worker(config: dict[str, Any]) -> None:
    """Train this worker's share; Ray Train starts it on every worker."""
    job: TrainJob = config["job"]
    context = ray.train.get_context()
    device = str(ray.train.torch.get_device()) if gpus_per_worker(job) else pick_device(0)
    kind = device.partition(":")[0]
    together = job.compute.episodes_per_pass
    if together == "auto":
        together = 1 if kind == "cpu" else job.recipe.batch
    worker = Worker(
        rank=context.get_world_rank(),
        workers=context.get_world_size(),
        device=device,
        precision=pick_precision(job.compute.precision, kind),
        episodes_per_pass=together,
    )
    output = Place.open(job.output.uri, job.storage)
    # After a worker's death Ray Train starts anew from what this run has saved.
    saved = ray.train.get_checkpoint()
    resume = saved.path if saved is not None else config["resume"]
    files = read_checkpoint(output.at(resume)) if resume is not None else None
    start_log()
    tell = partial(watch_training, job.output.uri)
    outlet = _RayOutlet(output.below(fold_folder(config["fold"])), config["mailbox"], tell)
    try:
        train_fold(open_fold(job, config["fold"], sam_contents(job)), worker, outlet, files)
    except BadInput as error:
        # A storage may answer at the next try; all else will be as it is.
        if not isinstance(error, BadStorage):
            outlet.fault(error)
        raise


class _RayOutlet:
    """Hands progress to the driver and checkpoints to Ray Train; metrics go straight to storage."""

    def __init__(
        self,
        folder: Place,
        mailbox: Queue,
        tell: Callable[[TrainProgress], None],
    ) -> None:
        self._folder, self._mailbox, self._tell = folder, mailbox, tell

    def progress(self, progress: TrainProgress) -> None:
        self._tell(progress)
        self._send(progress)

    def fault(self, error: BadInput) -> None:
        """Tell the driver of what no further try mends: it ends the command."""
        self._send(
            TrainFault(what=error.what, where=error.where, got=error.got, wanted=error.wanted)
        )

    def _send(self, message: TrainProgress | TrainFault) -> None:
        try:
            self._mailbox.put(message.model_dump_json())
        except ray.exceptions.RayActorError:
            # Its node is lost, and with it the lines; the training goes on.
            return

    def checkpoint(self, rows: list[dict[str, Any]], folder: Path | None) -> None:
        if folder is None:
            ray.train.report({})
            return
        # Rows first: of a checkpoint that is there, all rows are there.
        write_metrics(self._folder, rows)
        ray.train.report(
            {"step": rows[-1]["step"], "loss": rows[-1]["loss"]},
            checkpoint=ray.train.Checkpoint.from_directory(str(folder)),
        )


def gpus_per_worker(job: TrainJob) -> float:
    """Return each worker's share of GPUs in this cluster."""
    return read_capacity().gpus(job.compute.gpus_per_worker)
