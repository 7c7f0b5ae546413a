"""Model cards: what a weights file of this project was trained on, kept inside the file."""

import math
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, TypeAdapter

from schemas.job.method import QueryInit, VrpReading
from schemas.names import BackboneType, LabelType, SamType
from schemas.spec import Spec


def _measured(metrics: object) -> object:
    """Leave out figures that nothing was measured for: NaN, which JSON writes as null."""
    if not isinstance(metrics, Mapping):
        return metrics
    return {
        name: figure
        for name, figure in metrics.items()
        if figure is not None and not (isinstance(figure, float) and not math.isfinite(figure))
    }


Metrics = Annotated[dict[str, float], BeforeValidator(_measured)]


class Training(Spec):
    """How weights came about, enough to make them again."""

    data: str = Field(description="The images, their version and number.")
    recipe: dict[str, str | int | float | bool] = Field(default_factory=dict)
    seed: int | None = None
    hours: float | None = None
    machine: str | None = None
    commit: str | None = Field(default=None, description="Of this repository.")


class SamCard(Spec):
    """Of a SAM trained by this project."""

    network: Literal["sam"]
    type: SamType
    training: Training
    metrics: Metrics = Field(default_factory=dict)


class BackboneCard(Spec):
    """Of a semantic backbone trained by this project."""

    network: Literal["backbone"]
    type: BackboneType
    training: Training
    categories_seen: tuple[str, ...] = ()
    metrics: Metrics = Field(default_factory=dict)


class VrpCard(Spec):
    """Of a VRP encoder; it works only with the SAM, backbone and reading it was trained with."""

    network: Literal["vrp"]
    sam: SamType
    backbone: BackboneType
    reading: VrpReading
    queries: int
    query_init: QueryInit = "random"
    label_types: tuple[LabelType, ...] = ()
    fold: str | None = Field(default=None, description="E.g. coco-20i/0; its classes are unseen.")
    categories_seen: tuple[str, ...] = ()
    min_presence: float | None = Field(
        default=None, description="Of jobs that choose none; measured on categories of training."
    )
    training: Training
    metrics: Metrics = Field(default_factory=dict)


Card = Annotated[SamCard | BackboneCard | VrpCard, Field(discriminator="network")]
CARD: TypeAdapter[Card] = TypeAdapter(Card)
