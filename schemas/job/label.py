"""A labeling job, as a user writes it in YAML."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.job.compute import Compute, Limits
from schemas.job.method import Method, searching_types
from schemas.job.reference import Category, Reference
from schemas.job.source import Source
from schemas.job.storage import Output, Storage
from schemas.job.weights import check_trained, random_seed, weights_of
from schemas.spec import Spec, Uri


class Thresholds(Spec):
    """When a mask counts as a label; anything less is a row with status `empty`."""

    mask_logit: float = Field(
        default=0.0, allow_inf_nan=False, description="A pixel is foreground above this logit."
    )
    min_score: float = Field(default=0.0, ge=0, le=1, description="SAM's predicted IoU.")
    min_stability: float = Field(
        default=0.0, ge=0, le=1, description="IoU of the masks at logits +1 and -1."
    )
    min_area_px: int = Field(default=1, ge=1, description="Smallest mask, in image pixels.")
    # Left out of a dump when they are not chosen: older outputs keep their identity.
    precision: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of labels whose object is there; what is less sure is for review.",
        exclude_if=lambda chosen: chosen is None,
    )
    recall: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of shown objects that are not called absent.",
        exclude_if=lambda chosen: chosen is None,
    )
    share: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="Share of the images that show a category, as far as is known.",
        exclude_if=lambda chosen: chosen == 0.5,
    )

    @property
    def decide_presence(self) -> bool:
        """True where a job asks whether objects are there, by a calibrated probability."""
        return self.precision is not None or self.recall is not None


Overlaps = Literal["keep", "argmax"]


class Components(Spec):
    """A row for each connected component of a category's mask; pixels touch by side or corner."""

    by: Literal["components"]
    most: int = Field(
        default=100, ge=1, description="Rows for one category of an image, the largest first."
    )
    min_area_px: int | None = Field(
        default=None,
        ge=1,
        description="Smaller ones get no row; left out: one cell of the logits, 16 at least.",
    )


class Iterative(Spec):
    """A row for each object that a method finds when those before are masked out.

    For persam, persam_f and matcher; the search ends where the presence falls below the method's
    `min_presence`.
    """

    by: Literal["iterative"]
    most: int = Field(default=10, ge=2, description="Objects of one category in an image.")
    min_area_px: int = Field(default=16, ge=1, description="Smaller ones get no row.")


Instances = Annotated[Components | Iterative, Field(discriminator="by")]


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
    earlier: Uri | None = Field(
        default=None,
        description="A finished output of a job that differs in references or categories only: "
        "rows of categories whose references are the same are taken from it, not made again.",
    )
    thresholds: Thresholds = Thresholds()
    negatives: tuple[Uri, ...] = Field(
        default=(),
        description="Images that show none of the categories: they calibrate the probability that "
        "thresholds.precision and thresholds.recall are compared with.",
    )
    presence_head: Uri | None = Field(
        default=None,
        description="A file of `vrp presence fit`; left out, the one that is published for the "
        "method and its networks.",
    )
    overlaps: Overlaps = Field(
        default="keep",
        description="Pixels that several categories claim: kept by all, or argmax: given to the "
        "category whose probability of presence, else its score, times the "
        "sigmoid of its logit there, is greatest.",
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
    def _earlier_is_another(self) -> Self:
        if self.earlier is not None and self.earlier.rstrip("/") == self.output.uri.rstrip("/"):
            raise ValueError(
                f"earlier {self.earlier} is the job's own output; wanted another output, or none"
            )
        return self

    @model_validator(mode="after")
    def _random_weights_allowed(self) -> Self:
        why = "untrained weights give masks without meaning"
        check_trained(self.random_weights, why, allowed=self.allow_random_weights)
        return self

    @model_validator(mode="after")
    def _presence_is_decided_once(self) -> Self:
        asked = self.thresholds.decide_presence
        if not asked and (self.negatives or self.presence_head is not None):
            raise ValueError(
                "negatives or presence_head without thresholds.precision or thresholds.recall; "
                "wanted one of these, which they are for"
            )
        if asked and "min_presence" in self.method.model_fields_set and self.method.min_presence:
            raise ValueError(
                f"method.min_presence {self.method.min_presence} beside thresholds.precision or "
                "thresholds.recall; wanted the probability or the raw number, not both"
            )
        if asked and isinstance(self.instances, Iterative):
            raise ValueError(
                "instances by iterative with thresholds.precision or thresholds.recall; wanted "
                "instances by components, or method.min_presence, which ends the search"
            )
        return self

    @model_validator(mode="after")
    def _search_ends(self) -> Self:
        if not isinstance(self.instances, Iterative):
            return self
        if not self.method.searches:
            *others, last = searching_types()
            raise ValueError(
                f"instances by iterative with method {self.method.type}; wanted "
                f"{', '.join(others)} or {last}, which search; components go with every method"
            )
        if self.method.search_end is None:
            raise ValueError(
                "instances by iterative without method.min_presence; wanted the confidence that "
                "ends the search (PerSAM's 0.45 is for DINOv2 backbones, and their default)"
            )
        return self

    @property
    def random_weights(self) -> tuple[str, ...]:
        """The places whose weights are random, e.g. ("method.sam.weights",)."""
        weights_by_key = weights_of(self.method).items()
        return tuple(key for key, weights in weights_by_key if random_seed(weights) is not None)

    def numbered_categories(self) -> tuple[Category, ...]:
        """Return the categories with their ids, in the order of the ids."""
        if self.categories:
            distinct = {category.id: category for category in self.categories}
            return tuple(distinct[number] for number in sorted(distinct))
        names = dict.fromkeys(reference.category for reference in self.references)
        return tuple(Category(id=i, name=name) for i, name in enumerate(names, start=1))
