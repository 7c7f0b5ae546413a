"""Turn what `vrp studio` was given into what there is to do: a job to draw, labels to review."""

from pathlib import Path

from jobs.terminal.job_file import read_document, read_job
from pipeline.output.paths import COMMIT, JOB
from pipeline.review.review import Review
from pipeline.storage.place import Place
from pipeline.studio.app import Work
from pipeline.studio.clicks import clicks_of
from pipeline.studio.collection import Collection
from pipeline.studio.draft import Draft
from pipeline.studio.job_text import job_beside, new_job, new_method, source_of
from schemas.errors import MissingFile
from schemas.job.compute import Limits
from schemas.job.label import LabelJob
from schemas.job.storage import Storage

JOB_SUFFIXES = (".yaml", ".yml")


def open_work(what: str, storage: Storage) -> Work:
    """Open a job file, an output or images; the job file of these lies beside them.

    Raises BadInput, BadStorage: not one of these, or what `vrp plan` refuses.
    """
    what = what.rstrip("/") or "/"
    if what.endswith(JOB_SUFFIXES):
        return _of_job(Path(what))
    if source_of(what).type == "images" and _there(what, JOB, storage):
        return Work(Review(what, storage))
    what = what if "://" in what else str(Path(what).resolve())
    path = job_beside(what)
    if path.exists():
        return _of_job(path)
    source = source_of(what)
    limits = Limits()
    collection = Collection.open(source, storage, limits)
    clicks = clicks_of(new_method(), storage, source, limits)
    return Work(None, Draft(path, new_job(source, path, storage), collection), clicks)


def _of_job(path: Path) -> Work:
    job = read_job(LabelJob, path)
    labelled = _there(job.output.uri, COMMIT, job.storage)
    uri = job.output.uri.rstrip("/")
    review = Review(uri, job.storage, job.targets, job.limits) if labelled else None
    clicks = clicks_of(job.method, job.storage, job.targets, job.limits)
    collection = Collection.open(job.targets, job.storage, job.limits)
    return Work(review, Draft(path.resolve(), read_document(path), collection), clicks)


def _there(folder: str, name: str, storage: Storage) -> bool:
    try:
        return Place.open(folder, storage).below(name).size() is not None
    except MissingFile:
        return False
