"""What makes labels official: shards planned, parts written, counts that add up."""

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.job.reference import Category
from schemas.record.presence import PresenceChoice
from schemas.spec import Spec


class Shard(Spec):
    """What one read task reads: a tar, a Parquet file, or a short list of image files.

    Units are numbered from 0 within a shard, so a shard added later shifts no other unit.
    """

    id: str = Field(description="Names the shard's parts; a hash of its name and size.")
    kind: Literal["images", "tar", "parquet"]
    name: str = Field(description="Path below the source's prefix; survives a change of bucket.")
    uri: str = Field(description="The file to read; the common prefix for a list of images.")
    size_bytes: int = Field(description="Of a tar or Parquet file; 0 for a list of images.")
    images: tuple[tuple[str, str], ...] = Field(
        default=(), description="(image id, URI) of each image of a list, else empty."
    )
    images_per_unit: int
    reading: int = Field(
        default=1, description="Of a tar: the rule its images were found by; shards.TAR_READING."
    )


class Part(Spec):
    """One unit's labels on storage, and the rejected rows that belong to it."""

    path: str = Field(description="labels/<shard>-<unit>[-last].parquet, below the output.")
    sha256: str
    bytes: int
    images: int = Field(description="Images read: with labels + rejected.")
    rows: int = Field(description="One for each image with labels and each category.")
    labelled: int
    empty: int
    rejected: int
    instances: int = Field(default=0, description="Rows of single objects, beside `rows`.")
    review: int | None = Field(
        default=None,
        description="Rows that a person is to decide, labelled or empty. None: written before.",
    )
    rejected_path: str | None = None
    rejected_sha256: str | None = None

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.labelled + self.empty != self.rows:
            raise ValueError(f"{self.path}: {self.labelled} + {self.empty} is not {self.rows} rows")
        return self


class Counts(Spec):
    """Totals of a commit: images = with_labels + rejected, rows = labelled + empty."""

    images: int
    with_labels: int
    rejected: int
    rows: int
    labelled: int
    empty: int
    instances: int = Field(default=0, description="Rows of single objects, beside `rows`.")
    review: int | None = Field(
        default=None,
        description="Rows that a person is to decide, labelled or empty. None: not all parts say.",
    )

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.images != self.with_labels + self.rejected:
            raise ValueError(
                f"{self.images} images are not {self.with_labels} with labels and "
                f"{self.rejected} rejected"
            )
        if self.rows != self.labelled + self.empty:
            raise ValueError(f"{self.rows} rows are not {self.labelled} + {self.empty}")
        return self


class Identity(Spec):
    """What an output's labels depend on, from contents and not from names. Written as job.json.

    `fields` maps a readable place (`method.sam.weights`) to a value or to a sha256 of contents;
    the fingerprint is the sha256 of all of them. The machine, batch size, endpoint and credentials
    are not among them.
    """

    fingerprint: str
    model_fingerprint: str = Field(description="Of the weights and the method alone.")
    fields: dict[str, str]
    categories: tuple[Category, ...]
    source: Literal["images", "webdataset", "parquet", "coco"]
    random_weights: tuple[str, ...] = Field(description="Places with untrained weights.")

    @property
    def chooses_references(self) -> bool:
        """Whether images are asked with some of a category's references, which its rows name."""
        of_categories = (asked_with_field(category.id) for category in self.categories)
        return any(key in self.fields for key in ("method.best_references", *of_categories))


def asked_with_field(category_id: int) -> str:
    """Return the field of an identity that says with which references a category is asked for."""
    return f"category {category_id} asked with"


class Commit(Spec):
    """commit.json: written last; what it does not list does not exist."""

    fingerprint: str
    random_weights: tuple[str, ...]
    categories: tuple[Category, ...]
    counts: Counts
    shards: int = Field(description="Planned; each is finished, or has vanished.")
    vanished: tuple[str, ...] = Field(
        default=(), description="Shards or images planned once and gone from the inputs."
    )
    presence: PresenceChoice | None = Field(
        default=None,
        description="How present was told from absent, where the job asks.",
        exclude_if=lambda choice: choice is None,
    )
    parts: tuple[Part, ...] = Field(description="In the order of the plan, then of the units.")
