"""A labeling job becomes its file's text, as a person would write it, and paths become short."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

# README's first: small networks that are installed with the product. Their card names the SAM.
METHOD = {"type": "vrp", "weights": "lite-vrp"}


def new_job(targets: str, path: Path) -> dict[str, Any]:
    """Return the job of a folder of images, without references yet."""
    return {
        "targets": {"type": "images", "uris": short_uri(targets, path)},
        "references": [],
        "method": METHOD,
        "output": {"uri": f"{path.stem}-labels"},
    }


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
