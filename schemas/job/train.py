"""A training job as a user writes it, and what a run of it reports and leaves."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.fold import Protocol
from schemas.job.ablations import TRAININGS, known_in, merged
from schemas.job.dataset import Dataset
from schemas.job.episode import EpisodeSettings
from schemas.job.method import Vrp
from schemas.job.storage import Output, Storage
from schemas.job.weights import check_trained, random_seed
from schemas.spec import Span, Spec, Uri

# Paper, section 4: learning rates and epochs; batch 8 and weight decay are the same for both.
# coco-all is for production, where users draw what they like and objects may be absent.
PRESETS: dict[str, dict[str, Any]] = {
    "coco20i": {"protocol": "coco20i", "recipe": {"epochs": 50, "learning_rate": 1e-4}},
    "pascal5i": {"protocol": "pascal5i", "recipe": {"epochs": 100, "learning_rate": 2e-4}},
    "coco-all": {
        "protocol": "all",
        "recipe": {"epochs": 50, "learning_rate": 1e-4},
        "episodes": {
            "formats": {"points": 1.0, "box": 1.0, "scribbles": 1.0, "mask": 1.0},
            "references": {"min": 1, "max": 5},
            "negative_share": 0.1,
        },
    },
}
PRESETS |= TRAININGS


PresetName = Annotated[
    str, AfterValidator(known_in(PRESETS)), Field(json_schema_extra={"enum": list(PRESETS)})
]
LossTerms = Literal["bce+dice", "bce", "dice"]


class Recipe(Spec):
    """How the encoder is optimised: AdamW, cosine per step from learning_rate to 0."""

    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(default=1e-6, ge=0)
    batch: int = Field(default=8, ge=1, description="Episodes per step, over all workers together.")
    loss: LossTerms = Field(
        default="bce+dice",
        description="Equation 6, or one of its terms alone (Table 5).",
        # Left out of a dump when it is not chosen: runs begun before keep their identity.
        exclude_if=lambda chosen: chosen == "bce+dice",
    )
    episodes_per_epoch: int | Literal["images"] = Field(
        default="images",
        description="images: as many as the fold has training images, up to a whole batch.",
    )

    @model_validator(mode="after")
    def _whole_steps(self) -> Self:
        if self.episodes_per_epoch == "images":
            return self
        if self.episodes_per_epoch < 1 or self.episodes_per_epoch % self.batch:
            raise ValueError(
                f"episodes_per_epoch {self.episodes_per_epoch} is no whole number of batches; "
                f"wanted a multiple of {self.batch}"
            )
        return self


class Selection(Spec):
    """How the best checkpoint is found: on held-out images of the training categories."""

    held_out: float = Field(
        default=0.1, ge=0, lt=1, description="Share of images; 0 keeps the last checkpoint."
    )
    episodes: int = Field(default=200, ge=1)
    every_epochs: int = Field(default=1, ge=1)


class TrainCompute(Spec):
    """How the work is spread; beyond rounding, nothing here changes what is learnt."""

    workers: Span = Field(
        default=Span(),
        description="Training processes: between the two, as many as the cluster has room for.",
    )
    gpus_per_worker: float | Literal["auto"] = Field(
        default="auto", description="auto: one GPU where the cluster has any, else none."
    )
    cpus_per_worker: float = Field(default=1.0, gt=0)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    episodes_per_pass: int | Literal["auto"] = Field(
        default="auto", description="Episodes in one forward pass; auto: 1 on a CPU, else 8."
    )
    loader_threads: int = Field(default=4, ge=1)
    checkpoint_every_steps: int = Field(default=500, ge=1)
    max_failures: int = Field(
        default=8, ge=0, description="Restarts of a fold after a worker died, before giving up."
    )

    @model_validator(mode="after")
    def _one_gpu_each(self) -> Self:
        share = self.gpus_per_worker
        if share != "auto" and 0 < share < 1 and self.workers.max > 1:
            raise ValueError(
                f"gpus_per_worker {share:g} and {self.workers.max} workers: NCCL, which sums their "
                "gradients, refuses two of them on one GPU; wanted 1, or workers.max: 1"
            )
        return self


class TrainJob(Spec):
    """Train the VRP encoder on episodes of a dataset, a run for each fold."""

    preset: PresetName | None = Field(
        default=None, description="A recipe of the paper; what the job says itself counts more."
    )
    dataset: Dataset
    index: Uri = Field(description="A folder for the dataset's index; built when it holds none.")
    method: Vrp = Field(description="`weights: random:SEED` trains from scratch.")
    output: Output
    protocol: Protocol
    episodes: EpisodeSettings = EpisodeSettings()
    recipe: Recipe
    selection: Selection = Selection()
    seed: int = Field(default=0, ge=0)
    embeddings: Uri | None = Field(
        default=None, description="A store made by `vrp embed`; what it lacks is computed."
    )
    compute: TrainCompute = TrainCompute()
    storage: Storage = Storage()
    allow_random_weights: bool = Field(
        default=False, description="Accept an untrained SAM or backbone, for a trial."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, value: object) -> object:
        if not isinstance(value, dict) or value.get("preset") not in PRESETS:
            return value  # an unknown name fails as a field
        return merged(PRESETS[value["preset"]], value)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if "per_epoch" in self.episodes.model_fields_set:
            raise ValueError("episodes.per_epoch is set by recipe.episodes_per_epoch in training")
        if self.method.best_references is not None:
            raise ValueError(
                f"method.best_references {self.method.best_references} in training, whose episodes "
                "draw their references; wanted it in the job that labels"
            )
        if self.compute.workers.max > self.recipe.batch:
            raise ValueError(
                f"{self.compute.workers.max} workers for {self.recipe.batch} episodes a step; "
                "wanted at most one worker an episode"
            )
        frozen = {"sam": self.method.sam.weights, "backbone": self.method.backbone.weights}
        untrained = [f"method.{n}.weights" for n, w in frozen.items() if random_seed(w) is not None]
        why = "nothing can be learnt on networks that stay untrained"
        check_trained(untrained, why, allowed=self.allow_random_weights)
        return self


class TrainIdentity(Spec):
    """What a run depends on, from contents and not from names. Written as job.json.

    As `schemas.record.commit.Identity`; the machines and worker counts are not among the fields.
    """

    fingerprint: str
    fields: dict[str, str]


class TrainState(Spec):
    """Where a checkpoint stands, beside its tensors. Written as state.json."""

    fold: int
    step: int = Field(description="Steps done; the next one is this number, from 0.")
    next_episode: tuple[int, int] = Field(description="Epoch and number of the next episode.")
    learning_rate: float = Field(description="Of the last step done.")
    best_step: int
    best_miou: float | None = Field(description="On held-out images; None: none were held out.")
    sha256: dict[str, str] = Field(description="Of each file of the checkpoint, by its name.")


class TrainProgress(Spec):
    """What a fold says of itself now and then."""

    fold: int
    step: int
    steps: int
    loss: float
    learning_rate: float
    episodes_per_s: float
    eta_s: float
    workers: int
    held_out_miou: float | None = None
    begun_at: int = Field(default=0, description="The step that these workers began at.")
    begun: float = Field(default=0.0, description="Unix time; a worker that died begins anew.")


class TrainFault(Spec):
    """What ends a fold however often it is tried; the words of BadInput."""

    what: str
    where: str
    got: str
    wanted: str


class FoldResult(Spec):
    """A finished fold: result.json, written last; what it does not name does not exist."""

    fold: int
    weights: str = Field(description="The checkpoint to name as method.weights.")
    weights_sha256: str
    steps: int
    episodes: int
    best_step: int
    best_miou: float | None
    last_loss: Annotated[float, Field(description="Mean of the last 50 steps.")]
