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
from pipeline.studio.job_text import new_job
from schemas.errors import MissingFile
from schemas.job.label import LabelJob
from schemas.job.networks import Sam
from schemas.job.source import ImageFiles
from schemas.job.storage import Storage

JOB_SUFFIXES = (".yaml", ".yml")


def open_work(what: str, storage: Storage) -> Work:
    """Open a job file, an output or a folder of images; the job file of a folder lies beside it.

    Raises BadInput, BadStorage: not one of these, or what `vrp plan` refuses.
    """
    what = what.rstrip("/") or "/"
    if what.endswith(JOB_SUFFIXES):
        return _of_job(Path(what))
    if _there(what, JOB, storage):
        return Work(Review(what, storage))
    if "://" in what:
        path = Path.cwd() / f"{what.rpartition('/')[2]}.yaml"
    else:
        what = str(Path(what).resolve())
        path = Path(f"{what}.yaml")
    if path.exists():
        return _of_job(path)
    collection = Collection.open(ImageFiles(type="images", uris=what), storage)
    clicks = clicks_of(Sam(type="lite", weights="lite-sam"), storage)  # what METHOD's card names
    return Work(None, Draft(path, new_job(what, path), collection), clicks)


def _of_job(path: Path) -> Work:
    job = read_job(LabelJob, path)
    labelled = _there(job.output.uri, COMMIT, job.storage)
    review = Review(job.output.uri.rstrip("/"), job.storage) if labelled else None
    clicks = clicks_of(job.method.sam, job.storage)
    if review is not None and job.targets.type in {"webdataset", "parquet"}:
        return Work(review, None, clicks)  # nothing to draw on, and enough to do
    collection = Collection.open(job.targets, job.storage)
    return Work(review, Draft(path.resolve(), read_document(path), collection), clicks)


def _there(folder: str, name: str, storage: Storage) -> bool:
    try:
        return Place.open(folder, storage).below(name).size() is not None
    except MissingFile:
        return False
