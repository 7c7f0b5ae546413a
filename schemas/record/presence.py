"""Whether an object is there: what is committed of how that is judged, and what a job decided."""

from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from schemas.spec import Spec

Decision = Literal["labelled", "absent", "review"]


class PresenceHead(Spec):
    """A logistic regression over a method's signals: the log-odds that an object is there.

    It is for one set of weights: others' signals lie elsewhere. present and absent are log-odds of
    episodes that it was not fitted on, 0 to 100 % of either kind in steps of 1 %: what a threshold
    on them keeps, and lets through.
    """

    method: str
    sam: str
    backbone: str | None
    networks: tuple[str, ...] = Field(
        description="The published names of the weights, the method's own first; `own` for others."
    )
    signals: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...] = Field(description="Signals are counted in these.")
    weights: tuple[float, ...]
    bias: float
    present: tuple[float, ...]
    absent: tuple[float, ...]
    absent_examples: Annotated[int, Field(gt=0)] = Field(
        default=100,
        description="How many `absent` is of. Heads of before 2026-11-28 do not say.",
    )
    training: str = Field(description="The pictures, episodes and seed that it was fitted on.")

    @model_validator(mode="after")
    def _of_one_length(self) -> Self:
        lengths = {len(self.mean), len(self.deviation), len(self.weights)}
        if lengths != {len(self.signals)}:
            raise ValueError(
                f"{len(self.signals)} signals and {sorted(lengths)} numbers; wanted one number each"
            )
        return self


HEADS: TypeAdapter[tuple[PresenceHead, ...]] = TypeAdapter(tuple[PresenceHead, ...])


class PresenceChoice(Spec):
    """How a job tells present from absent: written as presence.json, and into the commit.

    A probability is of the head's log-odds times scale plus shift, plus the log-odds of share.
    """

    head: str = Field(description="sha256 of the head.")
    scale: float = Field(
        description="1 and a shift of 0 where the job's references said too little."
    )
    shift: float
    shown: int = Field(
        description="References found by the others of their category, or looked for."
    )
    absent: int = Field(description="Looks for a category where it is not.")
    share: Annotated[float, Field(gt=0, lt=1)]
    labelled_from: float = Field(description="Least probability of a label.")
    absent_below: float = Field(description="What is less probable is absent; between: review.")
