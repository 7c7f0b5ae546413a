"""Which categories are trained on, and which are kept unseen to test on."""

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.spec import Spec

Protocol = Literal["coco20i", "pascal5i", "coco_to_pascal", "all"]
FOLDS = 4


class Fold(Spec):
    """One fold of a protocol over one dataset's categories, by their ids.

    coco20i: novel are the categories whose index % 4 is the fold's number; pascal5i: whose
    index // 5 is; coco_to_pascal: whose counterpart in COCO is novel in coco20i; all: none.
    """

    protocol: Protocol
    number: int = Field(ge=0, lt=FOLDS)
    training: tuple[int, ...]
    novel: tuple[int, ...]

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if both := set(self.training) & set(self.novel):
            raise ValueError(f"categories {sorted(both)} are both trained on and novel")
        return self
