"""How the work is spread, and what an image may cost."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.spec import Spec

Attention = Literal["auto", "original"]


class Actors(Spec):
    """How many segmenting actors; Ray grows and shrinks the pool between the two."""

    min: int = Field(default=1, ge=1)
    max: int | None = Field(
        default=None, ge=1, description="Left out: as many as the cluster has GPUs for, or min."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise ValueError(f"actors max {self.max} is below min {self.min}")
        return self


class Compute(Spec):
    """How the work is spread; nothing here changes a label or the job's identity."""

    actors: Actors = Field(
        default=Actors(),
        description="How many segmenting actors; Ray grows and shrinks the pool between the two.",
    )
    gpus_per_actor: float | Literal["auto"] = Field(
        default="auto", description="auto: one GPU where the cluster has any, else CPU actors."
    )
    cpus_per_actor: float = Field(default=1.0, gt=0)
    batch_size: int = Field(default=8, ge=1, description="Images per forward pass.")
    precision: Literal["auto", "bf16", "fp32"] = Field(
        default="auto", description="auto: bf16 where the hardware has it, else fp32."
    )
    attention: Attention = Field(
        default="auto",
        description="auto: the form of SAM's attention that is fastest on the device; original: "
        "segment_anything's own.",
    )
    images_per_unit: int = Field(
        default=256, ge=1, le=4096, description="Images per commit; fixed by an output's first run."
    )
    decode_threads: int = Field(
        default=2,
        ge=1,
        description="Threads of an actor that decode images, and as many that encode masks; beside "
        "a GPU these are processes.",
    )
    read_tasks: int = Field(default=4, ge=1, description="Shards read at once, at most.")

    @property
    def gpus_named(self) -> float:
        """GPUs of one actor as the job names them: without a cluster to ask, `auto` is none."""
        return 0.0 if self.gpus_per_actor == "auto" else self.gpus_per_actor


Share = Annotated[str, StringConstraints(pattern=r"^\d{1,2}(\.\d+)?%$")]
"""A share of the images, in per cent and with its sign, so that 1 is one image and 1% is not."""


class Limits(Spec):
    """What an image may cost before it is rejected."""

    max_pixels: int = Field(
        default=100_000_000, ge=1, description="Checked from the header, before decoding."
    )
    max_bytes: int = Field(default=256 * 2**20, ge=1, description="Encoded size of one image.")
    seconds_per_image: float = Field(
        default=120.0,
        gt=0,
        le=10**6,
        description="Decoding, segmenting and encoding; a slower image is rejected as `timeout`.",
    )
    max_rejected: Annotated[int, Field(ge=0)] | Share | None = Field(
        default=None,
        description="Images, or a share such as 5%; with more rejected, the job stops.",
    )
