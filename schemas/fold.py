"""Which categories are trained on, and which are kept unseen to test on."""

from typing import Literal, Self

from pydantic import Field, model_validator

from schemas.spec import Spec

Protocol = Literal[
    "coco20i", "pascal5i", "coco_to_pascal", "lvis92i", "pascal_part", "paco_part", "all"
]
FOLDS = 4
FOLDS_OF: dict[Protocol, int] = {
    "coco20i": FOLDS,
    "pascal5i": FOLDS,
    "coco_to_pascal": FOLDS,
    "lvis92i": 10,
    "pascal_part": FOLDS,
    "paco_part": FOLDS,
    "all": 1,
}
"""How many folds each protocol has."""


class Fold(Spec):
    """One fold of a protocol over one dataset's categories, by their ids.

    coco20i: novel are the categories whose index % 4 is the fold's number; pascal5i: whose
    index // 5 is; coco_to_pascal: whose counterpart in COCO is novel in coco20i; lvis92i: of the
    categories in two images or more, those whose place % 10 is; pascal_part: parts of animals (0),
    indoor objects (1), persons (2), vehicles (3); paco_part: whose index % 4 is; all: none.
    """

    protocol: Protocol
    number: int = Field(ge=0, lt=max(FOLDS_OF.values()))
    training: tuple[int, ...]
    novel: tuple[int, ...]

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if both := set(self.training) & set(self.novel):
            raise ValueError(f"categories {sorted(both)} are both trained on and novel")
        return self
