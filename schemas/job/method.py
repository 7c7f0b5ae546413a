"""How masks are made: the method, its SAM and its backbone, each a tagged value.

A method says itself what the rest of the product asks of it: `sam_input`, how images reach its SAM,
on which stored embeddings depend; `searches`, whether it looks for several objects of a kind, and
`search_end`, the presence below which it stops (None: never).
"""

from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import ConfigDict, Field, model_validator

from schemas.job.networks import Backbone, Sam
from schemas.job.weights import Weights
from schemas.spec import Spec

SamInput = Literal["resize_once", "via_512", "letterbox"]
"""How images become SAM's square: stretched from the original, or from 512; or padded."""


class VrpReading(Spec):
    """The choices where the VRP-SAM paper and its authors' code differ.

    The defaults are the paper's. `authors_code` is needed for checkpoints trained with that code.
    """

    pseudo_mask: Literal["min_max", "raw"] = Field(
        default="min_max", description="Normalise the pseudo-mask to 0..1 per image, or not."
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


QueryInit = Literal["random", "foreground", "background", "half"]
"""What prompt tokens are before they attend: learned, or prototypes of the reference (Table 6)."""


def _without_what_a_card_says(schema: dict[str, Any]) -> None:
    """Require of a job file only what no model card can say: see pipeline/weights/from_card.py."""
    schema["required"] = ["type", "weights"]


class Vrp(Spec):
    """VRP-SAM (CVPR 2024): references become prompt tokens for SAM's mask decoder."""

    model_config = ConfigDict(json_schema_extra=_without_what_a_card_says)

    searches: ClassVar[bool] = False
    search_end: ClassVar[float | None] = None

    type: Literal["vrp"]
    weights: Weights
    sam: Sam
    backbone: Backbone
    reading: VrpReading = VrpReading()
    queries: int = Field(default=50, ge=1, description="Prompt tokens per reference.")
    query_init: QueryInit = Field(
        default="random",
        description="Learned tokens, or the mean feature of the object, of what is around it, or "
        "half of each; VRP-SAM's Table 6.",
        # Left out of a dump when it is not chosen: older outputs keep their identity.
        exclude_if=lambda chosen: chosen == "random",
    )
    min_presence: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="Least cosine of what lies under a mask to the reference's object, in the "
        "backbone's features, for there to be a mask. Left out: what the weights' card recommends; "
        "without one there always is a mask.",
        exclude_if=lambda chosen: chosen is None,
    )
    best_references: Annotated[int, Field(ge=1)] | Literal["all"] | None = Field(
        default=None,
        description="An image is asked with so many of a category's references, those whose object "
        "looks most like something in it, or with all. Left out: with all of up to ten, and with "
        "the best 5 of more.",
        # How many are left of each category's is said beside its references.
        exclude_if=lambda chosen: chosen in (None, "all"),
    )

    @property
    def sam_input(self) -> SamInput:
        """How images reach SAM: a choice of the reading."""
        return self.reading.sam_input

    @model_validator(mode="before")
    @classmethod
    def _named_reading(cls, value: object) -> object:
        if isinstance(value, dict) and isinstance(value.get("reading"), str):
            if value["reading"] not in READINGS:
                raise ValueError(
                    f"reading {value['reading']!r}; wanted one of {', '.join(READINGS)}, "
                    "or the single choices"
                )
            return {**value, "reading": READINGS[value["reading"]]}
        return value

    @model_validator(mode="after")
    def _block5_is_there(self) -> Self:
        without = ("dino", "efficientnet")
        if self.reading.masked_block5 and self.backbone.type.startswith(without):
            raise ValueError(
                f"reading masked_block5 with backbone {self.backbone.type}; wanted a "
                "convolutional backbone of the paper's: others have no block 5, and the authors' "
                "code has none of them"
            )
        return self

    @model_validator(mode="after")
    def _lite_is_one_network(self) -> Self:
        if self.sam.trunk is not None and self.backbone != self.sam.trunk:
            raise ValueError(
                f"backbone {self.backbone.type} {self.backbone.weights} with SAM lite over "
                f"{self.sam.trunk.type} {self.sam.trunk.weights}; wanted one network"
            )
        return self


SearchedWith = Annotated[
    Backbone | None,
    Field(
        description="The encoder whose features find the object; left out, SAM's own. DINOv2 finds "
        "categories, SAM's features one and the same object (PerSAM supplement, section D.4)."
    ),
]


class GpSam(Spec):
    """GP-SAM (VRP-SAM's Table 3): a pseudo-mask's points or box prompt SAM. Nothing is trained."""

    sam_input: ClassVar[SamInput] = "resize_once"
    searches: ClassVar[bool] = False
    search_end: ClassVar[float | None] = None

    type: Literal["gp_sam"]
    sam: Sam
    backbone: SearchedWith = None
    prompt: Literal["point", "box", "box+point"] = "box+point"
    points: int = Field(default=5, ge=1, description="Random points in the pseudo-mask.")
    threshold: float = Field(
        default=0.5, ge=0, lt=1, description="Where the pseudo-mask, 0 to 1 per image, is object."
    )
    seed: int = Field(default=0, description="Of the random points.")
    min_presence: float | None = Field(
        default=None,
        description="Least cosine of any cell to the object for a mask; left out, always a mask.",
    )


# Between the scores of the same and of different objects, with DINOv2 (PerSAM supplement, E.4).
DINOV2_PRESENCE = 0.45
MinPresence = Annotated[
    float | None,
    Field(
        ge=-1,
        le=1,
        description="Least maximum of the confidence map, a cosine, for a mask. Left out: the "
        "paper's 0.45 where a DINOv2 backbone searches; otherwise there is always a mask.",
    ),
]


class Persam(Spec):
    """PerSAM (ICLR 2024): the reference's features point SAM at the object. Nothing is trained."""

    sam_input: ClassVar[SamInput] = "letterbox"
    searches: ClassVar[bool] = True

    type: Literal["persam"]
    sam: Sam
    backbone: SearchedWith = None
    guidance: Literal["public_code", "aligned"] = Field(
        default="public_code",
        description="How the confidence map guides attention in an image that is not square: "
        "stretched over SAM's padded input too, or laid where the image lies.",
    )
    min_presence: MinPresence = None

    @property
    def search_end(self) -> float | None:
        """The presence below which nothing is an object, where there is such a one."""
        return presence_threshold(self)


class PersamF(Spec):
    """PerSAM-F (ICLR 2024): two weights, learned from the references, mix SAM's mask scales."""

    sam_input: ClassVar[SamInput] = "letterbox"
    searches: ClassVar[bool] = True

    type: Literal["persam_f"]
    sam: Sam
    backbone: SearchedWith = None
    epochs: int = Field(default=1000, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    min_presence: MinPresence = None

    @property
    def search_end(self) -> float | None:
        """The presence below which nothing is an object, where there is such a one."""
        return presence_threshold(self)


def presence_threshold(method: Persam | PersamF) -> float | None:
    """Return the least confidence of a mask, None where every image gets one."""
    backbone = method.backbone
    if method.min_presence is None and backbone is not None and backbone.type.startswith("dinov2"):
        return DINOV2_PRESENCE
    return method.min_presence


class Matcher(Spec):
    """Matcher (arXiv 2305.13310): cells matched both ways prompt SAM, and proposals are chosen.

    The defaults are those that its authors print for COCO-20i, where they print them.
    """

    sam_input: ClassVar[SamInput] = "resize_once"
    searches: ClassVar[bool] = True

    type: Literal["matcher"]
    sam: Sam
    backbone: SearchedWith = None
    centers: int = Field(default=8, ge=1, description="Clusters of matched cells, by place.")
    points: tuple[int, int] = Field(default=(4, 6), description="Least and most points a proposal.")
    proposals: int = Field(default=30, ge=1, description="Masks asked for per image and category.")
    alpha: float = Field(default=1.0, ge=0, description="Weight of 1 - earth mover's distance.")
    beta: float = Field(default=0.0, ge=0, description="Weight of purity * coverage^exponent.")
    exponent: float = Field(default=0.0, ge=0)
    merge: int = Field(default=9, ge=1, description="The best proposals, united to one mask.")
    merge_share: float = Field(
        default=0.7, ge=0, le=1, description="Least score of a united mask, as a share of the best."
    )
    seed: int = Field(default=0, description="Of the clusters and of the points chosen.")
    min_presence: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Least share of the reference's cells whose match leads back to the object, "
        "for a mask. Where none does, there never is one.",
    )

    @property
    def search_end(self) -> float | None:
        """The least share of cells; at 0 there always is another object."""
        return self.min_presence or None

    @model_validator(mode="after")
    def _sound(self) -> Self:
        least, most = self.points
        if not 1 <= least <= most:
            raise ValueError(f"points {self.points}; wanted a least and a most, from 1")
        return self


AnyMethod = Vrp | GpSam | Persam | PersamF | Matcher
Method = Annotated[AnyMethod, Field(discriminator="type")]


def always_masked(method: AnyMethod) -> AnyMethod:
    """Return the method with a mask in every image: another says what of them is there."""
    never = 0.0 if isinstance(method, Matcher) else -1.0
    return method.model_copy(update={"min_presence": never})


def searching_types() -> list[str]:
    """Return the types of the methods that look for several objects of a kind."""
    searching = [variant for variant in get_args(AnyMethod) if variant.searches]
    return [get_args(variant.model_fields["type"].annotation)[0] for variant in searching]
