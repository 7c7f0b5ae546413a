"""Episodes to draw from a dataset: references and a target of one category, by number."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.fold import Protocol
from schemas.job.dataset import Dataset
from schemas.job.storage import Storage
from schemas.spec import Span, Spec, Uri

AnnotationFormat = Literal["points", "box", "scribbles", "mask"]

PRESENT_PX = 2 * 32 * 32
"""Fewest pixels for an object to count as present: the usual few-shot list rule."""


class EpisodeSettings(Spec):
    """What an episode looks like; with the index, the seed, the epoch and a number: which it is."""

    formats: dict[AnnotationFormat, Annotated[float, Field(ge=0)]] = Field(
        default={"mask": 1.0},
        description="How references are annotated: a weight for each format, drawn per reference.",
    )
    references: Span = Field(
        default=Span(),
        description="How many an episode has: drawn between the two, each number equally likely.",
    )
    negative_share: float = Field(
        default=0.0, ge=0, le=1, description="Share of targets without the object: an empty mask."
    )
    per_epoch: int = Field(default=1000, ge=1, description="Episodes in one epoch.")
    min_area_px: int = Field(
        default=PRESENT_PX, ge=1, description="An object smaller than this is not present."
    )

    @model_validator(mode="after")
    def _some_format(self) -> Self:
        if not sum(self.formats.values()) > 0:
            raise ValueError(f"formats {self.formats} weigh nothing; wanted one weight above 0")
        return self


class EpisodeJob(Spec):
    """Which episodes `vrp episodes` draws."""

    dataset: Dataset
    index: Uri = Field(description="A folder for the dataset's index; built when it holds none.")
    protocol: Protocol = "all"
    episodes: EpisodeSettings = EpisodeSettings()
    held_out: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of the images kept out of training, to select a checkpoint on.",
    )
    seed: int = Field(default=0, ge=0)
    storage: Storage = Storage()
