"""A labeling job becomes its file's text, as a person would write it, and paths become short."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.inputs.address import PARQUET_SUFFIX, TAR_SUFFIXES, tar_stem
from pipeline.weights.from_card import fill_methods
from schemas.job.method import Vrp
from schemas.job.source import ImageFiles, ParquetImages, WebDataset
from schemas.job.storage import Storage

# README's first: small networks that are installed with the product. Their card names the SAM.
METHOD = {"type": "vrp", "weights": "lite-vrp"}

REACHED_BY = ("endpoint_url", "region", "anonymous")
"""What a job file says of its storage; keys are the environment's to tell."""

NewSource = ImageFiles | WebDataset | ParquetImages
"""What a job can be begun of, each named by one path or URI."""


def source_of(what: str) -> NewSource:
    """Return what a path names: a tar, a Parquet file, or a pattern of these; else a folder."""
    if what.lower().endswith(TAR_SUFFIXES):
        return WebDataset(type="webdataset", shards=what)
    if what.lower().endswith(PARQUET_SUFFIX):
        return ParquetImages(type="parquet", files=what)
    return ImageFiles(type="images", uris=what)


def job_beside(what: str) -> Path:
    """Return the job file of images: beside their folder or file; of a bucket, here."""
    folder, _, name = what.rpartition("/")
    if any(mark in name for mark in "*?[{"):
        folder, _, name = folder.rpartition("/")
    stem = tar_stem(name).removesuffix(PARQUET_SUFFIX)
    return (Path.cwd() if "://" in what else Path(folder or "/")) / f"{stem}.yaml"


def new_job(source: NewSource, path: Path, storage: Storage) -> dict[str, Any]:
    """Return the job of a folder of images, or of shards, without references yet."""
    targets = {
        name: short_uri(value, path) if name in {"uris", "shards", "files"} else value
        for name, value in source.model_dump(exclude_defaults=True).items()
    }
    reached = storage.model_dump(exclude_defaults=True, include={*REACHED_BY})
    return {
        "targets": {"type": source.type, **targets},
        "references": [],
        "method": METHOD,
        "output": {"uri": f"{path.stem}-labels"},
        **({"storage": reached} if reached else {}),
    }


def new_method() -> Vrp:
    """Return the method of a new job, with what its card says."""
    return Vrp.model_validate(fill_methods({"method": METHOD}, Path.cwd())["method"])


class _Flow(dict[str, Any]):
    """A mapping that is written in braces: coordinates one below the other are read by nobody."""


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe one, for a job file."""


_Dumper.add_representer(
    _Flow,
    lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True),
)


def as_yaml(document: Mapping[str, Any]) -> str:
    """Return a job as a person would write it."""
    references = [
        {**reference, "annotation": _Flow(reference["annotation"])}
        for reference in document["references"]
    ]
    written = {**document, "references": references}
    return yaml.dump(
        written, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None,
        width=100,
    )  # fmt: skip


def version_of(path: Path) -> str:
    """Return a hash of the file, "" where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def short_uri(uri: str, path: Path) -> str:
    """Return a URI as the job file at a path names it: a local one relative to it."""
    return uri if "://" in uri else os.path.relpath(uri, path.parent)


def whole_uri(uri: str, path: Path) -> str:
    """Return the URI of a path that the job file names."""
    return uri if "://" in uri else os.path.normpath(path.parent / uri)
