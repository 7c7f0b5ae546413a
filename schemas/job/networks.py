"""A method's networks: SAM and a backbone, each a type and weights; how a VRP encoder reads."""

from typing import Literal, Self

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


PseudoMask = Literal["min_max", "raw", "learned"]


class VrpReading(Spec):
    """The choices where the VRP-SAM paper and its authors' code differ.

    The defaults are the paper's. `authors_code` is needed for checkpoints trained with that code.
    """

    pseudo_mask: PseudoMask = Field(
        default="min_max",
        description="Normalise the pseudo-mask to 0..1 per image, or not; or `learned`: that of "
        "the encoder over efficientnet_lite2, which SAM lite always has.",
    )
    mask_scale: float = Field(
        default=1.0, gt=0, description="Factor on the mask channel before the merge convolution."
    )
    masked_block5: bool = Field(
        default=False,
        description="Compute the reference's high-level map from masked block-4 features.",
    )
    sam_input: Literal["resize_once", "via_512"] = Field(
        default="resize_once",
        description="Resize the original straight to SAM's input, or the 512 image to it.",
    )
    align_corners: bool = Field(
        default=False,
        description="Enlarge logits so that the corners of both grids coincide, not their edges.",
        # Left out of a dump when it is not chosen: older outputs keep their identity.
        exclude_if=lambda chosen: not chosen,
    )


READINGS: dict[str, VrpReading] = {
    "paper": VrpReading(),
    "authors_code": VrpReading(
        pseudo_mask="raw",
        mask_scale=10.0,
        masked_block5=True,
        sam_input="via_512",
        align_corners=True,
    ),
}

LEARNED = VrpReading(pseudo_mask="learned")

QueryInit = Literal["random", "foreground", "background", "half"]
"""What prompt tokens are before they attend: learned, or prototypes of the reference (Table 6)."""
