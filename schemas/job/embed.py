"""A job that computes SAM's image embeddings once, as a user writes it, and what it reports."""

from pydantic import Field, model_validator

from schemas.job.compute import Compute, Limits
from schemas.job.method import Vrp
from schemas.job.source import Source
from schemas.job.storage import Storage
from schemas.job.weights import check_trained, random_seed
from schemas.spec import Spec, Uri

# An embedding of ViT-B, -L or -H is 2 MiB: 64 make a file that is still one PUT of 128 MiB.
IMAGES_PER_UNIT = 64


class EmbedJob(Spec):
    """Embed every target image once, for training and labeling with the same SAM."""

    targets: Source
    method: Vrp = Field(description="As in the jobs to come; its SAM and `sam_input` count.")
    embeddings: Uri = Field(description="The store: a folder, for any number of SAMs and jobs.")
    compute: Compute = Compute(images_per_unit=IMAGES_PER_UNIT)
    limits: Limits = Limits()
    storage: Storage = Storage()
    allow_random_weights: bool = Field(default=False, description="Accept an untrained SAM.")

    @model_validator(mode="before")
    @classmethod
    def _smaller_units(cls, value: object) -> object:
        if isinstance(value, dict) and isinstance(value.get("compute"), dict):
            compute = {"images_per_unit": IMAGES_PER_UNIT, **value["compute"]}
            return {**value, "compute": compute}
        return value

    @model_validator(mode="after")
    def _trained(self) -> "EmbedJob":
        untrained = random_seed(self.method.sam.weights) is not None
        check_trained(
            ["method.sam.weights"] if untrained else [],
            "an untrained SAM's embeddings mean nothing",
            allowed=self.allow_random_weights,
        )
        return self


class EmbedReceipt(Spec):
    """One unit, committed: images = embedded + known + rejected."""

    shard_id: str
    number: int
    last: bool
    embedded: int
    known: int = Field(description="In the store already, from another source or a copy.")
    rejected: tuple[tuple[str, str], ...] = Field(description="(image id, reason) of each.")
    bytes: int
    seconds: float
