"""A job that names files of this machine becomes one that names copies on the job's storage.

Weights and references are small and belong to the job: they are uploaded, by content, to
<output>/inputs/. Images, datasets and outputs are not: they must be on storage already.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.output.paths import INPUTS
from pipeline.storage.errors import translated, uri_of
from pipeline.storage.place import Place
from pipeline.weights.catalogue import CATALOGUE, PACKAGED
from pipeline.weights.fetch import sha256_of
from schemas.errors import BadInput, MissingFile
from schemas.job.embed import EmbedJob
from schemas.job.evaluate import EvaluateJob
from schemas.job.label import LabelJob
from schemas.job.storage import Storage
from schemas.job.train import TrainJob
from schemas.job.weights import random_seed, weights_of
from schemas.record.named_files import KeyPath, named_files

SubmittedJob = LabelJob | TrainJob | EvaluateJob | EmbedJob
Document = dict[str, Any]
FOLD_IN_PATH = "{fold}"  # as pipeline/evaluate replaces it
SHOWN = ("references", "negatives", "presence_head")
"""Keys of a job below which its small files are: of what is looked for, and of what is not."""
_SECRETS = ("key", "secret", "token")
_USER_PART = re.compile(r"://[^/@\s]*@")


@dataclass(frozen=True)
class LocalFiles:
    """The files of this machine that a job names, by their place in it."""

    inputs: tuple[tuple[KeyPath, Path], ...]
    """Weights, reference images and their annotations: these can be uploaded."""
    fixed: tuple[tuple[KeyPath, str], ...]
    """All others: what a job reads much of, or writes."""


def local_files(job: SubmittedJob) -> LocalFiles:
    """Sort what a job names on this machine by whether it can be uploaded."""
    files = [(place, uri) for place, uri in named_files(job) if "://" not in uri]
    shown = [(place, Path(uri)) for place, uri in files if place[0] in SHOWN]
    fixed = [(place, uri) for place, uri in files if place[0] not in SHOWN]
    weights: list[tuple[KeyPath, Path]] = []
    for place, name in _weights(job):
        if random_seed(name) is not None or name in CATALOGUE or "://" in name:
            continue
        if FOLD_IN_PATH in name:
            fixed.append((place, name))  # a pattern: which files it means, the job's folds say
        else:
            weights.append((place, Path(name).expanduser().resolve()))
    return LocalFiles((*shown, *weights), tuple(fixed))


def packaged_weights(job: SubmittedJob) -> list[Path]:
    """Return the files of the job's weights that lie among this package's sources.

    Those of an installed package are on every node that has the lock's.
    """
    names = {name for _, name in _weights(job) if name in CATALOGUE}
    paths = sorted(Path(CATALOGUE[name].address) for name in names)
    return [path for path in paths if path.is_relative_to(PACKAGED)]


def _weights(job: SubmittedJob) -> Iterator[tuple[KeyPath, str]]:
    """Yield the names of weights as the job has them, by their places in it."""
    if isinstance(job, EvaluateJob):
        methods = {("methods", name): method for name, method in job.methods.items()}
    else:
        methods = {("method",): job.method}
    for place, method in methods.items():
        for key, name in weights_of(method).items():
            yield (*place, *key.split(".")[1:]), name


def results_uri(job: SubmittedJob) -> str:
    """Return the folder that a job writes to."""
    return job.embeddings if isinstance(job, EmbedJob) else job.output.uri


def check_portable(job: SubmittedJob, *, shared_paths: bool, send_secrets: bool) -> None:
    """Refuse paths that stay local, and secrets that are not to be sent. Raises BadInput."""
    held = _held_secrets(job)
    endpoint = (("storage", "endpoint_url"), job.storage.endpoint_url or "")
    uris = [*named_files(job), *_weights(job), endpoint]
    users = [".".join(map(str, place)) for place, uri in uris if _USER_PART.search(uri)]
    if (held or users) and not send_secrets:
        raise BadInput(
            "the job holds secrets",
            ", ".join([*(f"storage.{name}" for name in held), *users]),
            "credentials, which would lie in the job's package on every node",
            "none: an instance profile or the AWS variables on the nodes; or --send-secrets",
        )
    if (fixed := local_files(job).fixed) and not shared_paths:
        place, uri = fixed[0]
        raise BadInput(
            "the cluster cannot see a path of this machine",
            ".".join(map(str, place)),
            uri,
            "an s3:// address; or --shared-paths, if every node has this path",
        )


def _held_secrets(job: SubmittedJob) -> list[str]:
    return [name for name in _SECRETS if getattr(job.storage, name) is not None]


def portable(job: SubmittedJob, *, shared_paths: bool, send_secrets: bool) -> Document:
    """Return the document of the same job for any node, its weights and references uploaded.

    shared_paths: every node sees this machine's paths, so they stay. Raises BadInput as
    `check_portable`, and for files that are not there.
    """
    check_portable(job, shared_paths=shared_paths, send_secrets=send_secrets)
    document = job.model_dump(mode="json", exclude_unset=True)
    for name in _held_secrets(job):
        document["storage"][name] = getattr(job.storage, name).get_secret_value()
    local = local_files(job)
    if shared_paths:
        for place, path in local.inputs:
            _put(document, place, str(path))
        return document
    if local.inputs:
        folder = f"{results_uri(job).rstrip('/')}/{INPUTS}"
        uploaded = {path: "" for _, path in local.inputs}
        for path in uploaded:
            uploaded[path] = upload_once(path, folder, job.storage)
        for place, path in local.inputs:
            _put(document, place, uploaded[path])
    return document


def upload_once(path: Path, folder: str, storage: Storage) -> str:
    """Copy a file to <folder>/<sha256><suffix>, unless it is there, and return its URI."""
    if not path.is_file():
        raise MissingFile("a file that does not exist", str(path), "nothing there", "a file")
    target = Place.open(folder, storage).below(f"{sha256_of(path)}{path.suffix}")
    if _size(target) != path.stat().st_size:
        # A copy by another laptop at the same time has the same bytes; large files go in parts.
        with translated(target.fs, target.path, "written"):
            target.fs.put_file(str(path), target.path)
    return uri_of(target.fs, target.path)


def _size(place: Place) -> int | None:
    try:
        return place.size()
    except MissingFile:
        return None


def _put(document: Document, key: KeyPath, value: str) -> None:
    *parents, last = key
    found: Any = document
    for step in parents:
        found = found[step]
    found[last] = value
