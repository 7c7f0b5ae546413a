"""The frozen networks of a method: SAM and a backbone, each a type and its weights."""

from typing import Self

from pydantic import Field, model_validator

from schemas.job.weights import Weights
from schemas.names import BackboneType, SamType
from schemas.spec import Spec


class Backbone(Spec):
    """The frozen semantic encoder whose mid- and high-level maps are matched."""

    type: BackboneType
    weights: Weights


LITE_TRUNK = {"type": "efficientnet_lite2", "weights": "efficientnet-lite2"}


class Sam(Spec):
    """The promptable segmenter: segment_anything's classes."""

    type: SamType
    weights: Weights
    trunk: Backbone | None = Field(
        default=None,
        description="Of type lite, which reads a backbone's maps: that backbone. Left out, the "
        "published one.",
        exclude_if=lambda chosen: chosen is None,
    )

    @model_validator(mode="before")
    @classmethod
    def _published_trunk(cls, value: object) -> object:
        if isinstance(value, dict) and value.get("type") == "lite" and not value.get("trunk"):
            return {**value, "trunk": LITE_TRUNK}
        return value

    @model_validator(mode="after")
    def _trunk_of_lite(self) -> Self:
        if self.trunk is not None and self.type != "lite":
            raise ValueError(f"trunk with SAM {self.type}; wanted none: only lite reads maps")
        if self.trunk is not None and self.trunk.type != LITE_TRUNK["type"]:
            raise ValueError(f"trunk {self.trunk.type}; wanted {LITE_TRUNK['type']}")
        return self
