"""Turn what is drawn on images, moved and taught into a labeling job's file."""

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from pipeline.masks.inside import check_inside
from pipeline.output.committed import read_committed
from pipeline.output.earlier import may_be_earlier
from pipeline.output.identity import is_claimed
from pipeline.review.drawn_mask import drawn_mask
from pipeline.storage.place import Place
from pipeline.studio.beside import Beside
from pipeline.studio.collection import Collection
from pipeline.studio.job_text import as_yaml, version_of, whole_uri
from pipeline.trial.moved import Moved, moved_document
from pipeline.weights.from_card import fill_methods
from schemas.errors import BadInput, BadStorage
from schemas.faults import faults_of
from schemas.job.label import LabelJob
from schemas.job.reference import Box, Points, Scribbles
from schemas.job.storage import Storage
from schemas.spec import Spec

Document = dict[str, Any]


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


class Draft:
    """A job file under way; its methods may be called by many threads."""

    def __init__(self, path: Path, document: Mapping[str, Any], collection: Collection) -> None:
        """document is what the file holds, or a new job where there is none."""
        self.path, self.collection = path, collection
        self._beside = Beside(path)
        self._document = dict(document)
        self._version = version_of(path)
        self._job: LabelJob | None = None  # the document's, where it was asked for
        self._lock = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """Return the file's references for the page, and its version to be named when saving."""
        numbers = {uri: number for number, (_, uri) in enumerate(self.collection.images)}
        references = [
            {
                "category": reference["category"],
                "image": numbers.get(whole_uri(reference["image"], self.path)),
                "name": reference["image"],
                "type": reference["annotation"]["type"],
            }
            for reference in self._document["references"]
        ]
        return {
            "path": str(self.path),
            "version": self._version,
            "references": references,
            "negatives": len(self._document.get("negatives", ())),
            "output": self._document["output"]["uri"],
        }

    def job(self) -> LabelJob:
        """Return the job as it is saved. Raises BadInput where `vrp label` would refuse it."""
        with self._lock:
            if self._job is None:
                self._job = self._checked(self._document)
            return self._job

    def is_stale(self) -> bool:
        """True where another program wrote the file meanwhile."""
        return version_of(self.path) != self._version

    def save(self, references: Sequence[Kept | Drawn], version: str) -> None:
        """Write the job with these references in place of those it has; the rest stays.

        Raises BadInput: a file that was changed meanwhile, a mask that is none, or a job that
        `vrp label` would refuse for its form.
        """
        with self._lock:
            self._check_version(version)
            entries = [self._entry(one) for one in references]
            self._write({**self._document, "references": entries})

    def keep(self, chosen: Moved, moved: Moved) -> None:
        """Write the thresholds that were moved away from what was chosen. Raises BadInput."""
        with self._lock:
            self._check_version(self._version)
            self._write(moved_document(self._document, chosen, moved))

    def add_reference(self, uri: str, category: str, mask_HW: np.ndarray) -> None:
        """Add an image with its mask, in place of what the job says of it. Raises BadInput."""
        with self._lock:
            self._check_version(self._version)
            image = self._image(uri)
            mask = {"type": "mask", "uri": self._beside.mask(category, mask_HW)}
            added = {"category": category, "image": image, "annotation": mask}
            # In its place: categories are numbered as first referenced.
            placed = {(one["image"], one["category"]): one for one in self._document["references"]}
            placed[image, category] = added
            self._write({**self._document, "references": list(placed.values())})

    def add_negative(self, uri: str) -> None:
        """Add an image that shows none of the job's categories. Raises BadInput."""
        with self._lock:
            self._check_version(self._version)
            image = self._image(uri)
            negatives = dict.fromkeys([*self._document.get("negatives", ()), image])
            self._write({**self._document, "negatives": list(negatives)})

    def _image(self, uri: str) -> str:
        return self._beside.image(uri, self.collection.storage, self.collection.source)

    def _check_version(self, version: str) -> None:
        if version != self._version or self.is_stale():
            raise BadInput(
                "a job file that was changed meanwhile",
                str(self.path),
                "another studio or an editor wrote it",
                "reload the page, and draw again what was not saved",
            )

    def _checked(self, document: Document) -> LabelJob:
        folder = self.path.parent
        try:
            return LabelJob.model_validate(
                fill_methods(document, folder), context={"folder": str(folder)}
            )
        except ValidationError as error:
            raise BadInput(
                "a job that cannot be run", str(self.path), faults_of(error), "a labeling job"
            ) from error

    def _write(self, document: Document) -> None:
        job = self._checked(document)
        if document == self._document and self._version:
            return  # the file says so already, and perhaps in words of its own
        if document != self._document:
            uri = document["output"]["uri"]
            free = {**document["output"], "uri": _free_output(uri, job)}
            document = _with_output(document, free, _earlier(document, job))
        Place.open(str(self.path), Storage()).replace(as_yaml(document).encode())
        self._document, self._version, self._job = document, version_of(self.path), None

    def _entry(self, one: Kept | Drawn) -> Document:
        if isinstance(one, Kept):
            known = self._document["references"]
            if one.kept >= len(known):
                raise BadInput("no such reference", str(self.path), f"{one.kept}", "one of these")
            return known[one.kept]
        uri = self.collection.uri(one.image)
        annotation = one.annotation.model_dump(mode="json", exclude_defaults=True)
        size_HW = self.collection.picture(one.image).size_HW
        if isinstance(one.annotation, Runs):
            what = "a drawn mask that is none"
            mask_HW = drawn_mask(one.annotation.runs, size_HW, what, one.category)
            annotation = {"type": "mask", "uri": self._beside.mask(one.category, mask_HW)}
        else:
            check_inside(one.annotation, size_HW, f"{one.category} on {uri}")
            annotation["type"] = one.annotation.type
        return {"category": one.category, "image": self._image(uri), "annotation": annotation}


def _earlier(document: Document, job: LabelJob) -> str | None:
    """Return the output, as the file names it, whose rows the changed job may take over.

    What was labelled last, or, where that never came to its end, what it took over from itself.
    """
    named = [(document["output"]["uri"], job.output.uri), (document.get("earlier"), job.earlier)]
    return next((uri for uri, whole in named if whole and _is_like(job, whole)), None)


def _is_like(job: LabelJob, output: str) -> bool:
    try:
        _, before = read_committed(Place.open(output, job.storage))
    except BadStorage:  # no commit, or none that can be read: then all is labelled
        return False
    return may_be_earlier(job, before)


def _with_output(document: Document, output: Document, earlier: str | None) -> Document:
    """Return the document with this output, and what is taken over from where beside it."""
    made: Document = {}
    for key, value in document.items():
        if key == "output":
            made["output"] = output
            if earlier is not None:
                made["earlier"] = earlier
        elif key != "earlier":
            made[key] = value
    return made


def _free_output(uri: str, job: LabelJob) -> str:
    """Return the output as the file names it, or the next one that is nobody's yet.

    What is labelled with other references or thresholds is another job's: `vrp label` refuses to
    mix them.
    """
    bare = uri.rstrip("/")
    whole = job.output.uri.rstrip("/")
    numbered = re.search(r"-(\d{1,2})$", bare)
    count, ending = (int(numbered[1]), numbered[0]) if numbered else (1, "")
    added = ending
    while is_claimed(Place.open(whole.removesuffix(ending) + added, job.storage)):
        count += 1
        added = f"-{count}"
    return uri if added == ending else bare.removesuffix(ending) + added
