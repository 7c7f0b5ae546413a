"""How masks are made: the method, its SAM and its backbone, each a tagged value."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.spec import Spec

SamType = Literal["vit_b", "vit_l", "vit_h", "nano"]
BackboneType = Literal[
    "resnet50",
    "resnet50s",
    "vgg16_bn",
    "dinov2_vitb14",
    "dinov2_vitl14",
    "dinov3_vitb16",
    "nano",
]

Weights = Annotated[
    str,
    Field(
        min_length=1,
        description="A name of `vrp weights list`, a path, an s3:// or https:// address, or "
        "`random` / `random:SEED` (needs allow_random_weights).",
    ),
]


def random_seed(weights: str) -> int | None:
    """Return the seed of `random` or `random:SEED`, None for weights that are a file."""
    name, _, seed = weights.partition(":")
    if name != "random":
        return None
    return int(seed or 0)


class Sam(Spec):
    """The promptable segmenter: segment_anything's classes."""

    type: SamType
    weights: Weights


class Backbone(Spec):
    """The frozen semantic encoder whose mid- and high-level maps are matched."""

    type: BackboneType
    weights: Weights


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


READINGS: dict[str, VrpReading] = {
    "paper": VrpReading(),
    "authors_code": VrpReading(
        pseudo_mask="raw", mask_scale=10.0, masked_block5=True, sam_input="via_512"
    ),
}


class Vrp(Spec):
    """VRP-SAM (CVPR 2024): references become prompt tokens for SAM's mask decoder."""

    type: Literal["vrp"]
    weights: Weights
    sam: Sam
    backbone: Backbone
    reading: VrpReading = VrpReading()
    queries: int = Field(default=50, ge=1, description="Prompt tokens per reference.")

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
    def _seeds_are_numbers(self) -> Self:
        for weights in (self.weights, self.sam.weights, self.backbone.weights):
            try:
                random_seed(weights)
            except ValueError:
                raise ValueError(f"weights {weights!r}; wanted random or random:NUMBER") from None
        return self

    @model_validator(mode="after")
    def _block5_is_there(self) -> Self:
        if self.reading.masked_block5 and self.backbone.type.startswith("dino"):
            raise ValueError(
                f"reading masked_block5 with backbone {self.backbone.type}; wanted a "
                "convolutional backbone: a transformer has no block 5, and the authors' code none"
            )
        return self


Method = Annotated[Vrp, Field(discriminator="type")]


def weights_of(method: Vrp) -> dict[str, str]:
    """Return every weights name of a method by its place in the job, for checks and identity."""
    match method:
        case Vrp():
            return {
                "method.weights": method.weights,
                "method.sam.weights": method.sam.weights,
                "method.backbone.weights": method.backbone.weights,
            }


def with_weights(method: Vrp, weights: dict[str, str]) -> Vrp:
    """Return the method with its weights names replaced, by the keys of `weights_of`."""
    match method:
        case Vrp():
            return method.model_copy(
                update={
                    "weights": weights["method.weights"],
                    "sam": method.sam.model_copy(update={"weights": weights["method.sam.weights"]}),
                    "backbone": method.backbone.model_copy(
                        update={"weights": weights["method.backbone.weights"]}
                    ),
                }
            )
