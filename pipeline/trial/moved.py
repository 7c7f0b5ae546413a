"""Thresholds as the page moves them, and as a job file has them."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from schemas.job.label import LabelJob
from schemas.spec import Spec

OF_JOB = ("min_score", "min_stability", "min_area_px", "precision")
"""The others are the method's."""


class Moved(Spec):
    """What says whether a mask is a label, as a job's `thresholds` and `method` name it."""

    min_score: float = Field(default=0, ge=0, le=1)
    min_stability: float = Field(default=0, ge=0, le=1)
    min_area_px: int = Field(default=1, ge=1, lt=2**31)
    min_presence: float | None = Field(default=None, ge=-1, le=1)
    precision: float | None = Field(default=None, gt=0, lt=1)


def as_chosen(job: LabelJob, least_presence: float | None) -> Moved:
    """Return what the job says itself; least_presence is its method's, as its weights have it."""
    chosen = job.thresholds
    return Moved(
        min_presence=None if chosen.decide_presence else least_presence,
        **{name: getattr(chosen, name) for name in OF_JOB},
    )


def moved_document(document: Mapping[str, Any], chosen: Moved, moved: Moved) -> dict[str, Any]:
    """Return a job as its file has it, with what was moved away from what was chosen."""
    changed = {
        name: value
        for name, value in moved.model_dump().items()
        if value is not None and value != getattr(chosen, name)
    }
    of_job = {name: changed[name] for name in OF_JOB if name in changed}
    written = dict(document)
    if of_job:
        written["thresholds"] = {**(document.get("thresholds") or {}), **of_job}
    if "min_presence" in changed:
        written["method"] = {**document["method"], "min_presence": changed["min_presence"]}
    return written
