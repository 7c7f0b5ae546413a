"""A job's method becomes what studies references as often as wanted, its networks loaded once."""

from collections.abc import Callable, Sequence

from model.build import load_method
from model.checkpoints.load import Loader
from model.networks.device import pick_device, pick_precision
from model.segmenter import LoadedReference, Segmenter, StudyOptions
from model.side_by_side import remember
from model.whole_image import Look, load_look
from pipeline.weights.fetch import cache_folder
from pipeline.weights.of_method import local_method
from schemas.job.label import LabelJob
from schemas.job.method import Method, always_masked

Study = Callable[[Sequence[LoadedReference]], Segmenter]
"""Makes a segmenter of references: here one that gives every image a mask, and its signals."""


def load_study(job: LabelJob, gpus: float, remembered: int = 0) -> Study:
    """Load the method's networks onto this process's device. Raises BadWeights, BadStorage.

    remembered is how many images are encoded once, however often they come.
    """
    return _study(local_method(job.method, job.storage), _loader(job, gpus), remembered)


def load_study_and_look(job: LabelJob, gpus: float, remembered: int) -> tuple[Study, Look]:
    """Load as `load_study` does; also return what images look like to the same networks."""
    method, loader = local_method(job.method, job.storage), _loader(job, gpus)
    look = load_look(method, loader)
    return _study(method, loader, remembered), look


def _loader(job: LabelJob, gpus: float) -> Loader:
    device = pick_device(gpus)
    precision = pick_precision(job.compute.precision, device)
    return Loader(device, precision, attention=job.compute.attention)


def _study(method: Method, loader: Loader, remembered: int) -> Study:
    study = load_method(always_masked(method), loader)
    if remembered:
        for encoder in loader.image_encoders():
            remember(encoder, remembered)
    options = StudyOptions(cache_folder(), evidence=True)
    return lambda references: study(references, options)
