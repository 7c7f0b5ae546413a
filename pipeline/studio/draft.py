"""Turn what is drawn on images into a labeling job's file, and masks into PNGs beside it."""

import hashlib
import io
import os
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from PIL import Image
from pydantic import Field, ValidationError

from pipeline.storage.place import Place
from pipeline.studio.collection import Collection
from pipeline.studio.drawn_mask import drawn_mask
from pipeline.weights.from_card import fill_methods
from schemas.errors import BadInput
from schemas.faults import faults_of
from schemas.job.label import LabelJob
from schemas.job.reference import Box, Points, Scribbles
from schemas.job.storage import Storage
from schemas.spec import Spec

# README's first: small networks that are installed with the product. Their card names the SAM.
METHOD = {"type": "vrp", "weights": "lite-vrp"}


class Runs(Spec):
    """A mask as the page draws it: run lengths down the columns, background first."""

    type: Literal["runs"]
    runs: tuple[int, ...]


class Kept(Spec):
    """A reference that is in the file already, by its place there."""

    kept: int = Field(ge=0)


class Drawn(Spec):
    """A reference drawn just now."""

    image: int
    category: str = Field(min_length=1, max_length=200)
    annotation: Annotated[Box | Points | Scribbles | Runs, Field(discriminator="type")]


def new_job(targets: str, path: Path) -> dict[str, Any]:
    """Return the job of a folder of images, without references yet."""
    return {
        "targets": {"type": "images", "uris": _from(targets, path)},
        "references": [],
        "method": METHOD,
        "output": {"uri": f"{path.stem}-labels"},
    }


class Draft:
    """A job file under way; its methods may be called by many threads."""

    def __init__(self, path: Path, document: Mapping[str, Any], collection: Collection) -> None:
        """document is what the file holds, or a new job where there is none."""
        self.path, self.collection = path, collection
        self._document = dict(document)
        self._version = _version(path)
        self._lock = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """Return the file's references for the page, and its version to be named when saving."""
        numbers = {uri: number for number, (_, uri) in enumerate(self.collection.images)}
        references = [
            {
                "category": reference["category"],
                "image": numbers.get(_to(reference["image"], self.path)),
                "name": reference["image"],
                "type": reference["annotation"]["type"],
            }
            for reference in self._document["references"]
        ]
        return {"path": str(self.path), "version": self._version, "references": references}

    def save(self, references: Sequence[Kept | Drawn], version: str) -> None:
        """Write the job with these references in place of those it has; the rest stays.

        Raises BadInput: a file that was changed meanwhile, a mask that is none, or a job that
        `vrp label` would refuse for its form.
        """
        with self._lock:
            if version != self._version or _version(self.path) != version:
                raise BadInput(
                    "a job file that was changed meanwhile",
                    str(self.path),
                    "another studio or an editor wrote it",
                    "reload the page, and draw again what was not saved",
                )
            entries = [self._entry(one) for one in references]
            document = {**self._document, "references": entries}
            try:
                folder = self.path.parent
                filled = fill_methods(document, folder)
                LabelJob.model_validate(filled, context={"folder": str(folder)})
            except ValidationError as error:
                raise BadInput(
                    "a job that cannot be run", str(self.path), faults_of(error), "a labeling job"
                ) from error
            Place.open(str(self.path), Storage()).replace(_as_yaml(document).encode())
            self._document, self._version = document, _version(self.path)

    def _entry(self, one: Kept | Drawn) -> dict[str, Any]:
        if isinstance(one, Kept):
            known = self._document["references"]
            if one.kept >= len(known):
                raise BadInput("no such reference", str(self.path), f"{one.kept}", "one of these")
            return known[one.kept]
        uri = self.collection.uri(one.image)
        annotation = one.annotation.model_dump(mode="json", exclude_defaults=True)
        if isinstance(one.annotation, Runs):
            annotation = {"type": "mask", "uri": self._write_mask(one, one.annotation)}
        else:
            annotation["type"] = one.annotation.type
        image = _from(uri, self.path)
        return {"category": one.category, "image": image, "annotation": annotation}

    def _write_mask(self, one: Drawn, drawn: Runs) -> str:
        """Write a mask as a PNG named after what is in it; return its path from the job file."""
        size_HW = self.collection.picture(one.image).size_HW
        mask_HW = drawn_mask(drawn.runs, size_HW, "a drawn mask that is none", one.category)
        buffer = io.BytesIO()
        Image.fromarray(mask_HW * np.uint8(255)).save(buffer, "PNG")
        data = buffer.getvalue()
        readable = re.sub(r"[^a-z0-9]+", "-", one.category.lower()).strip("-")[:30] or "mask"
        digest = hashlib.sha256(data).hexdigest()[:8]
        name = f"{self.path.stem}-references/{readable}-{digest}.png"
        Place.open(str(self.path.parent / name), Storage()).create(data)
        return name


class _Flow(dict[str, Any]):
    """A mapping that is written in braces: coordinates one below the other are read by nobody."""


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe one, for a job file."""


_Dumper.add_representer(
    _Flow,
    lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True),
)


def _as_yaml(document: Mapping[str, Any]) -> str:
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


def _version(path: Path) -> str:
    """Return a hash of the file, "" where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _from(uri: str, path: Path) -> str:
    """Return a URI as the job file at a path names it: a local one relative to it."""
    return uri if "://" in uri else os.path.relpath(uri, path.parent)


def _to(uri: str, path: Path) -> str:
    """Return the URI of a path that the job file names."""
    return uri if "://" in uri else os.path.normpath(path.parent / uri)
