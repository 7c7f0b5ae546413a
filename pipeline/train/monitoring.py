"""Turn a fold's progress into its metrics and a log line."""

from pipeline.monitoring import metrics
from pipeline.monitoring.log import log
from pipeline.monitoring.metrics import record
from schemas.job.train import TrainProgress


def watch_training(output: str, progress: TrainProgress) -> None:
    """Tell of how far a fold is; `output` is the job's URI."""
    fold = str(progress.fold)
    record(metrics.TRAIN_STEP, progress.step, output=output, fold=fold)
    record(metrics.TRAIN_LOSS, progress.loss, output=output, fold=fold)
    record(metrics.TRAIN_SPEED, progress.episodes_per_s, output=output, fold=fold)
    record(metrics.TRAIN_WORKERS, progress.workers, output=output, fold=fold)
    if progress.held_out_miou is not None:
        record(metrics.TRAIN_MIOU, progress.held_out_miou, output=output, fold=fold)
    log("steps", {"output": output, **progress.model_dump()})
