"""An evaluation as a user writes it, and what it leaves: its episodes, its counts, its scores.

    <output>/episodes-<hash>.parquet            which episodes: written before the first is run
    <output>/parts/<hash>/<method>/<unit>.parquet   counts of one method on a few targets
    <output>/results.parquet                    all counts of the job's methods, a row an episode
    <output>/scores.parquet, results.{md,html,svg}    what they add up to
    <output>/results.json                       written last: what the files above belong to

Parts are found by contents (the hash of the episodes; a method's own, of its settings and weights),
so a method added or trained anew is run alone, and one that was run is not run again.
"""

from typing import Annotated, Any, Literal, Self

import pyarrow as pa
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from schemas.fold import FOLDS_OF, Protocol
from schemas.job.ablations import EVALUATIONS, known_in, merged
from schemas.job.dataset import Dataset
from schemas.job.episode import PRESENT_PX, AnnotationFormat
from schemas.job.method import Method
from schemas.job.storage import Output, Storage
from schemas.job.weights import check_trained, random_seed, weights_of
from schemas.spec import Spec, Uri

GRID_PX = 512
"""Side of the square on which few-shot papers count pixels: images and masks stretched to it."""

Absent = Literal["none", "swapped", "partly"]
SWAPPED_SHARE, PARTLY_WAYS = 0.5, 2
"""What `absent: swapped` and `absent: partly` mean where a job says no number."""

MethodName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+()/-]{0,60}$")]


PresetName = Annotated[
    str, AfterValidator(known_in(EVALUATIONS)), Field(json_schema_extra={"enum": list(EVALUATIONS)})
]


class EvaluateCompute(Spec):
    """How the work is spread; beyond rounding, nothing here changes a score."""

    actors: int | Literal["auto"] = Field(
        default="auto", description="auto: as many as the cluster has room for."
    )
    gpus_per_actor: float | Literal["auto"] = Field(
        default="auto", description="auto: one GPU where the cluster has any, else CPU actors."
    )
    cpus_per_actor: float = Field(default=1.0, gt=0)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    episodes_per_unit: int = Field(
        default=8, ge=1, description="Episodes whose counts are committed together."
    )

    @model_validator(mode="after")
    def _some_actor(self) -> Self:
        if self.actors != "auto" and self.actors < 1:
            raise ValueError(f"actors {self.actors}; wanted 1 or more, or auto")
        return self


class EvaluateJob(Spec):
    """Run methods on the same episodes of a dataset, and say how well each does."""

    preset: PresetName | None = Field(
        default=None, description="A table of a paper; what the job says itself counts more."
    )
    dataset: Dataset
    index: Uri = Field(description="A folder for the dataset's index; built when it holds none.")
    protocol: Protocol = "all"
    folds: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        default=None, description="Left out: every fold of the protocol."
    )
    classes: Literal["novel", "base"] = Field(
        default="novel", description="A fold's unseen categories, or those it is trained on."
    )
    methods: dict[MethodName, Method] = Field(
        min_length=1,
        description="By the name they have in the tables. `{fold}` in a weights path is replaced.",
    )
    formats: Annotated[tuple[AnnotationFormat, ...], Field(min_length=1)] = ("mask",)
    shots: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (1,)
    mask_growth_px: Annotated[tuple[int, ...], Field(min_length=1)] = Field(
        default=(0,),
        description="Pixels by which references' true masks are dilated, or eroded when negative, "
        "before they are annotated; each is scored.",
    )
    episodes_per_fold: Annotated[int, Field(ge=1)] | Literal["all"] = Field(
        default=1000, description="all: every pair of a reference and a target there is; for video."
    )
    absent: Absent = Field(
        default="none",
        description="none: every target shows what is asked for. swapped: a share of targets does "
        "not, half of them unless negative_share says another. partly: several categories are "
        "asked for at once, of which a target shows some or none (FS-CS, Kang and Cho 2022).",
    )
    negative_share: float = Field(
        default=0.0, ge=0, lt=1, description="Of swapped: targets that do not show the category."
    )
    ways: int = Field(
        default=1, ge=1, description="Of partly: categories an episode; 2 unless it says another."
    )
    presence: bool = Field(
        default=False,
        description="Methods say how probable it is that the object is there, by the presence head "
        "of their weights, and give every target a mask.",
    )
    presence_head: Uri | None = Field(
        default=None,
        description="A file of `vrp presence fit`; left out, the published heads.",
    )
    min_area_px: int = Field(
        default=PRESENT_PX, ge=1, description="An object smaller than this is not present."
    )
    mask_logit: float = Field(default=0.0, description="A pixel is foreground above this logit.")
    seed: int = Field(default=0, ge=0)
    resamples: int = Field(default=1000, ge=10, description="For the 95 % intervals.")
    output: Output
    compute: EvaluateCompute = EvaluateCompute()
    storage: Storage = Storage()
    allow_random_weights: bool = Field(
        default=False, description="Accept untrained weights; every table then says so."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, value: object) -> object:
        if not isinstance(value, dict) or value.get("preset") not in EVALUATIONS:
            return value  # an unknown name fails as a field
        return merged(EVALUATIONS[value["preset"]], value)

    @model_validator(mode="before")
    @classmethod
    def _fill_in_absent(cls, value: object) -> object:
        """Let the word stand for its number, and the number for its word."""
        if not isinstance(value, dict):
            return value
        match value.get("absent"):
            case None if value.get("negative_share"):
                return {**value, "absent": "swapped"}
            case None if value.get("ways", 1) != 1:
                return {**value, "absent": "partly"}
            case "swapped":
                return {"negative_share": SWAPPED_SHARE, **value}
            case "partly":
                return {"ways": PARTLY_WAYS, **value}
        return value

    @model_validator(mode="after")
    def _folds_of_the_protocol(self) -> Self:
        folds = FOLDS_OF[self.protocol]
        if self.folds is not None and not set(self.folds) <= set(range(folds)):
            raise ValueError(
                f"folds {self.folds}; protocol {self.protocol} has folds 0 to {folds - 1}"
            )
        if self.presence_head is not None and not self.presence:
            raise ValueError("presence_head without presence: true; wanted both or neither")
        for name in ("folds", "formats", "shots", "mask_growth_px"):
            values: tuple[Any, ...] = getattr(self, name) or ()
            if len(set(values)) < len(values):
                raise ValueError(f"{name} {values}; wanted each once")
        return self

    @model_validator(mode="after")
    def _one_setting(self) -> Self:
        if bool(self.negative_share) != (self.absent == "swapped"):
            raise ValueError(
                f"absent {self.absent} with negative_share {self.negative_share:g}; wanted a share "
                "with swapped, and with nothing else"
            )
        if self.ways > 1 and self.absent != "partly":
            raise ValueError(f"absent {self.absent} with ways {self.ways}; wanted absent: partly")
        if self.episodes_per_fold == "all" and self.absent != "none":
            raise ValueError(f"episodes_per_fold all with absent {self.absent}: wanted a number")
        if self.presence and self.absent == "none":
            raise ValueError(
                "presence with absent none; wanted targets without the object: swapped or partly"
            )
        return self

    @model_validator(mode="after")
    def _random_weights_allowed(self) -> Self:
        why = "scores of untrained networks mean nothing"
        places = [f"methods.{name}" for name in self.random_weights]
        check_trained(places, why, allowed=self.allow_random_weights)
        return self

    @property
    def fold_numbers(self) -> tuple[int, ...]:
        """The folds to evaluate, in order."""
        if self.folds is not None:
            return tuple(sorted(self.folds))
        return tuple(range(FOLDS_OF[self.protocol]))

    @property
    def random_weights(self) -> tuple[str, ...]:
        """The methods with untrained parts."""
        return tuple(
            name
            for name, method in self.methods.items()
            if any(random_seed(weights) is not None for weights in weights_of(method).values())
        )


class EvaluateResult(Spec):
    """results.json: which episodes and methods the tables are of."""

    episodes: str = Field(description="Name of the Parquet file.")
    episodes_sha256: str = Field(description="Of its rows, in order.")
    methods: dict[str, dict[int, str]] = Field(description="Contents by name and fold.")
    random_weights: tuple[str, ...]
    too_few: tuple[str, ...] = Field(description="Categories in too few images, left out.")
    decided_by: Literal["probability", "mask"] = Field(
        default="mask",
        description="What says that an object is there: its probability, from a half on, or a mask "
        "that is not empty.",
    )
    resamples: int
    revision: int = Field(description="Of how counts become scores and pages.")


# One row an episode, category, shots and annotation: the same targets and references in all.
EPISODES_SCHEMA = pa.schema(
    [
        ("fold", pa.int8()),
        ("episode", pa.int32()),  # within the fold: one target; a row a category and variant
        ("category_id", pa.int32()),
        ("category", pa.string()),
        ("shots", pa.int16()),
        ("format", pa.string()),  # AnnotationFormat of every reference
        ("mask_growth_px", pa.int16()),  # applied to the true mask before it is annotated
        ("references", pa.list_(pa.string())),  # image ids; fewer shots take the first ones
        ("target", pa.string()),  # image id
        ("negative", pa.bool_()),  # the target does not show the category
        ("seed", pa.int64()),  # the job's
        ("annotation_seeds", pa.list_(pa.string())),  # keys of model.draws.Draws, a reference each
        ("reference_rows", pa.list_(pa.int32())),  # rows of the index's objects
        ("target_image", pa.int32()),  # row of the index's images
        ("target_row", pa.int32()),  # row of its objects; null for a negative
    ]
)

COUNTS_SCHEMA = pa.schema(
    [
        ("fold", pa.int8()),
        ("episode", pa.int32()),
        ("category_id", pa.int32()),
        ("shots", pa.int16()),
        ("format", pa.string()),
        ("mask_growth_px", pa.int16()),
        ("negative", pa.bool_()),
        # On the 512 grid, then at the target's own resolution; ignored pixels count nowhere.
        ("grid_intersection_px", pa.int64()),
        ("grid_union_px", pa.int64()),
        ("grid_background_intersection_px", pa.int64()),
        ("grid_background_union_px", pa.int64()),
        ("intersection_px", pa.int64()),
        ("union_px", pa.int64()),
        ("background_intersection_px", pa.int64()),
        ("background_union_px", pa.int64()),
        ("boundary_intersection_px", pa.int64()),  # 2 % of the diagonal, own resolution
        ("boundary_union_px", pa.int64()),
        ("predicted_px", pa.int64()),  # own resolution, as are all below
        ("image_px", pa.int64()),  # without ignored pixels
        ("score", pa.float32()),  # SAM's predicted IoU
        ("presence", pa.float32()),  # of a method that searches for the object; else null
        ("contour_f", pa.float32()),  # DAVIS's F of a frame; null for other data sets
        ("probability", pa.float32()),  # that the object is there; null where nobody asked
        # Of what the decision leaves of the mask, each pixel one category's; null but for `partly`.
        ("kept_intersection_px", pa.int64()),
        ("kept_union_px", pa.int64()),
    ]
)

SCORES_SCHEMA = pa.schema(
    [
        ("method", pa.string()),
        ("format", pa.string()),
        ("shots", pa.int16()),
        ("mask_growth_px", pa.int16()),
        ("fold", pa.int8()),  # null: the mean over folds
        ("category", pa.string()),  # null: over the fold's categories
        ("metric", pa.string()),  # miou_grid, miou, fb_iou_grid, fb_iou, boundary_iou, …
        ("value", pa.float64()),  # 0 to 1; null where there is nothing to count
        ("low", pa.float64()),  # 95 % interval over episodes; null for single categories
        ("high", pa.float64()),
        ("episodes", pa.int32()),
    ]
)
