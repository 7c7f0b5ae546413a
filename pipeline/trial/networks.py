"""A job's networks, kept over its tries; references become what labels one image at a time."""

from collections.abc import Sequence

from model.build import LoadedMethod, load_method
from model.checkpoints.load import Loader
from model.networks.device import pick_device, pick_precision
from model.presence.decide import Judge
from model.segmenter import LoadedReference, Segmenter, StudyOptions
from model.side_by_side import remember
from pipeline.label.references import load_references
from pipeline.label.rows import RowContext
from pipeline.output.identity import identify
from pipeline.presence.choose import choose
from pipeline.presence.heads import presence_task
from pipeline.weights.fetch import cache_folder
from pipeline.weights.of_method import local_method, weight_contents
from schemas.job.label import LabelJob
from schemas.job.method import always_masked

REMEMBERED = 64  # images of a sample and of references: some 5 MB each with SAM's published sizes


class Networks:
    """The networks of one method on this process's device. Raises BadWeights, BadStorage."""

    def __init__(self, job: LabelJob) -> None:
        self.made_for = made_for(job)
        local = local_method(job.method, job.storage)
        device = pick_device(job.compute.gpus_named)
        precision = pick_precision(job.compute.precision, device)
        loader = Loader(device, precision, attention=job.compute.attention)
        # Every image gets a mask: what of them is there, thresholds say, which can be moved.
        self.study: LoadedMethod = load_method(always_masked(local), loader)
        for encoder in loader.image_encoders():
            remember(encoder, REMEMBERED)
        self.contents = weight_contents(job.method, job.storage)
        self.seconds_by_image: dict[str, float] = {}
        """What an image took when it was encoded: a second time it is not."""


def made_for(job: LabelJob) -> object:
    """Return what two jobs share if they share networks."""
    return always_masked(job.method), job.compute, job.storage


def study_references(job: LabelJob, networks: Networks) -> tuple[Segmenter, RowContext]:
    """LoadedMethod a job's references; also return what makes rows of its predictions.

    Raises BadInput and its kinds, as `vrp plan` does.
    """
    categories = job.numbered_categories()
    references = load_references(job.references, categories, job.limits, job.storage)
    presence = presence_task(job)
    fields = {} if presence is None else presence.fields(job)
    identity = identify(job, references, networks.contents, fields)
    options = StudyOptions(cache_folder(), evidence=presence is not None)

    def study(some: Sequence[LoadedReference]) -> Segmenter:
        return networks.study(some, options)

    judge = None
    if presence is not None:
        judge = Judge(presence.head, choose(study, references, presence))
    ids = {
        category.id: tuple(r.id for r in references if r.category_id == category.id)
        for category in categories
    }
    context = RowContext(identity, ids, job.thresholds, job.overlaps, judge=judge)
    return study(references), context
