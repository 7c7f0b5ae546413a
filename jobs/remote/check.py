"""Check a job of any kind on this machine, before anything of it is sent."""

from collections.abc import Sequence

from pipeline.embed.check import check as check_embedding
from pipeline.evaluate.check import check as check_evaluation
from pipeline.label.check import check as check_labeling
from pipeline.status.at_work import find_working, refuse_second
from pipeline.storage.place import Place
from pipeline.submit.inputs import SubmittedJob, results_uri
from pipeline.train.check import check as check_training
from schemas.job.embed import EmbedJob
from schemas.job.evaluate import EvaluateJob
from schemas.job.label import LabelJob
from schemas.job.train import TrainJob


def check_job(job: SubmittedJob, folds: Sequence[int]) -> None:
    """Find what the command itself would find on the cluster. Raises BadInput and its kinds."""
    match job:
        case LabelJob():
            check_labeling(job)
        case TrainJob():
            check_training(job, folds or [0])
        case EvaluateJob():
            check_evaluation(job)
        case EmbedJob():
            check_embedding(job)


def check_alone(job: SubmittedJob) -> None:
    """Refuse a job while another run is at work on its output. Raises BadInput."""
    if isinstance(job, EmbedJob):
        return  # a store is for any number of jobs
    output = Place.open(results_uri(job), job.storage)
    if other := find_working(output, own=""):
        raise refuse_second(other, output)
