"""A labeling job, as a user writes it in YAML."""

from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from schemas.method import (
    Matcher,
    Method,
    Persam,
    PersamF,
    presence_threshold,
    random_seed,
    weights_of,
)
from schemas.reference import Category, Reference
from schemas.source import Source
from schemas.spec import Spec, Uri


class Output(Spec):
    """Where labels are committed."""

    uri: Uri = Field(description="A folder: a local path or s3://bucket/prefix.")


class Thresholds(Spec):
    """When a mask counts as a label; anything less is a row with status `empty`."""

    mask_logit: float = Field(default=0.0, description="A pixel is foreground above this logit.")
    min_score: float = Field(default=0.0, ge=0, le=1, description="SAM's predicted IoU.")
    min_stability: float = Field(
        default=0.0, ge=0, le=1, description="IoU of the masks at logits +1 and -1."
    )
    min_area_px: int = Field(default=1, ge=1, description="Smallest mask, in image pixels.")


Overlaps = Literal["keep", "argmax"]


class Components(Spec):
    """A row for each connected component of a category's mask; pixels touch by side or corner."""

    by: Literal["components"]
    most: int = Field(
        default=100, ge=1, description="Rows for one category of an image, the largest first."
    )
    # One cell of SAM's logits covers 4 x 4 pixels of its input: what is smaller is interpolation.
    min_area_px: int = Field(default=16, ge=1, description="Smaller ones get no row.")


class Iterative(Spec):
    """A row for each object that a method finds when those before are masked out.

    For persam, persam_f and matcher; the search ends where the presence falls below the method's
    `min_presence`.
    """

    by: Literal["iterative"]
    most: int = Field(default=10, ge=2, description="Objects of one category in an image.")
    min_area_px: int = Field(default=16, ge=1, description="Smaller ones get no row.")


Instances = Annotated[Components | Iterative, Field(discriminator="by")]


class Actors(Spec):
    """How many segmenting actors; Ray grows and shrinks the pool between the two."""

    min: int = Field(default=1, ge=1)
    max: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            raise ValueError(f"actors max {self.max} is below min {self.min}")
        return self


class Compute(Spec):
    """How the work is spread; nothing here changes a label or the job's identity."""

    actors: Actors = Actors()
    gpus_per_actor: float | Literal["auto"] = Field(
        default="auto", description="auto: one GPU where the cluster has any, else CPU actors."
    )
    cpus_per_actor: float = Field(default=1.0, gt=0)
    batch_size: int = Field(default=8, ge=1, description="Images per forward pass.")
    precision: Literal["auto", "bf16", "fp32"] = Field(
        default="auto", description="auto: bf16 where the hardware has it, else fp32."
    )
    images_per_unit: int = Field(
        default=256, ge=1, le=4096, description="Images per commit; fixed by an output's first run."
    )
    decode_threads: int = Field(default=2, ge=1)
    read_tasks: int = Field(default=4, ge=1, description="Shards read at once, at most.")


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
        description="Decoding, segmenting and encoding; a slower image is rejected as `timeout`.",
    )
    max_rejected: Annotated[int, Field(ge=0)] | Share | None = Field(
        default=None,
        description="Images, or a share such as 5%; with more rejected, the job stops.",
    )


class S3KeyEncryption(Spec):
    """SSE-S3: the store encrypts with keys of its own."""

    type: Literal["AES256"]


class KmsEncryption(Spec):
    """SSE-KMS: nodes need kms:GenerateDataKey to write, and kms:Decrypt to read back."""

    type: Literal["aws:kms"]
    key_id: str | None = Field(
        default=None, min_length=1, description="Id or ARN; left out, the account's own S3 key."
    )


Encryption = Annotated[S3KeyEncryption | KmsEncryption, Field(discriminator="type")]


class Storage(Spec):
    """Object storage, where the usual AWS variables do not already say it. Never logged."""

    endpoint_url: str | None = None
    region: str | None = None
    anonymous: bool = False
    requester_pays: bool = Field(
        default=False, description="This account pays for requests to buckets that ask for it."
    )
    encryption: Encryption | None = Field(
        default=None,
        description="Asked for with every object written; left out, the bucket's default.",
    )
    key: SecretStr | None = None
    secret: SecretStr | None = None
    token: SecretStr | None = None


class LabelJob(Spec):
    """Label every target image with every category shown by the references."""

    targets: Source
    references: Annotated[tuple[Reference, ...], Field(min_length=1)]
    categories: tuple[Category, ...] = Field(
        default=(),
        description="Ids by name; left out, categories are numbered from 1 as first referenced.",
    )
    method: Method
    output: Output
    thresholds: Thresholds = Thresholds()
    overlaps: Overlaps = Field(
        default="keep",
        description="Pixels that several categories claim: kept by all, or argmax: given to the "
        "category whose score, times the sigmoid of its logit there, is greatest.",
    )
    instances: Instances | None = Field(
        default=None, description="Rows for single objects beside each category's own."
    )
    embeddings: Uri | None = Field(
        default=None, description="A store made by `vrp embed`; what it lacks is computed."
    )
    compute: Compute = Compute()
    limits: Limits = Limits()
    storage: Storage = Storage()
    allow_random_weights: bool = Field(
        default=False, description="Accept untrained weights; every output then says so."
    )

    @model_validator(mode="after")
    def _categories_fit(self) -> Self:
        ids: dict[str, int] = {}
        names: dict[int, str] = {}
        for category in self.categories:
            if ids.setdefault(category.name, category.id) != category.id:
                raise ValueError(
                    f"category {category.name!r} has two ids: {ids[category.name]} and "
                    f"{category.id}; wanted one id per name"
                )
            if names.setdefault(category.id, category.name) != category.name:
                raise ValueError(
                    f"id {category.id} names two categories: {names[category.id]!r} and "
                    f"{category.name!r}; wanted one name per id"
                )
        if self.categories:
            used = {reference.category for reference in self.references}
            if unknown := sorted(used - ids.keys()):
                raise ValueError(
                    f"references use {', '.join(unknown)}; wanted a name listed in categories: "
                    f"{', '.join(sorted(ids))}"
                )
            if bare := sorted(ids.keys() - used):
                raise ValueError(f"no reference shows {', '.join(bare)}; wanted at least one each")
        return self

    @model_validator(mode="after")
    def _random_weights_allowed(self) -> Self:
        if self.random_weights and not self.allow_random_weights:
            raise ValueError(
                f"{', '.join(self.random_weights)} = random: untrained weights give masks without "
                "meaning; name trained weights, or set allow_random_weights: true for a trial"
            )
        return self

    @model_validator(mode="after")
    def _search_ends(self) -> Self:
        if not isinstance(self.instances, Iterative):
            return self
        match self.method:
            case Persam() | PersamF() as method:
                endless = presence_threshold(method) is None
            case Matcher() as method:
                endless = method.min_presence == 0
            case _:
                raise ValueError(
                    f"instances by iterative with method {self.method.type}; wanted persam, "
                    "persam_f or matcher, which search; components go with every method"
                )
        if endless:
            raise ValueError(
                "instances by iterative without method.min_presence; wanted the confidence that "
                "ends the search (PerSAM's 0.45 is for DINOv2 backbones, and their default)"
            )
        return self

    @property
    def random_weights(self) -> tuple[str, ...]:
        """The places whose weights are random, e.g. ("method.sam.weights",)."""
        places = weights_of(self.method).items()
        return tuple(place for place, weights in places if random_seed(weights) is not None)

    def numbered_categories(self) -> tuple[Category, ...]:
        """Return the categories with their ids, in the order of the ids."""
        if self.categories:
            distinct = {category.id: category for category in self.categories}
            return tuple(distinct[number] for number in sorted(distinct))
        names = dict.fromkeys(reference.category for reference in self.references)
        return tuple(Category(id=i, name=name) for i, name in enumerate(names, start=1))
