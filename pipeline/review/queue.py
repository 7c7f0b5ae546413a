"""Turn what a reviewer asks for into the labels to look at, in order."""

from typing import Literal

import numpy as np
from pydantic import Field

from pipeline.review.audit import draw_sample
from pipeline.review.index import CODES, UNREVIEWED, LabelIndex
from schemas.spec import Spec

Order = Literal["uncertain", "disagreement", "score", "small", "large", "random", "commit"]
Show = Literal["masks", "empty", "all"]
State = Literal["unreviewed", "accepted", "rejected", "absent", "corrected", "reviewed", "any"]


class Wanted(Spec):
    """Which labels a reviewer wants to see, and in which order."""

    category_id: int | None = Field(
        default=None, ge=0, lt=2**31, description="Left out: every category."
    )
    show: Show = Field(default="masks", description="Labels with a mask, without one, or both.")
    state: State = "unreviewed"
    order: Order = "uncertain"
    least_score: float = Field(default=0, ge=0, le=1)
    most_score: float = Field(default=1, ge=0, le=1)
    audit: int = Field(
        default=0, ge=0, description="Only the sample of `vrp certify --each` this many; 0: all."
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Of the random order.")


def make_queue(index: LabelIndex, wanted: Wanted) -> np.ndarray:
    """Return the wanted labels' numbers, int64, in order; equal ones in the commit's order."""
    # Scores may be a hair above 1 (SAM predicts them): the ends are open.
    chosen = np.ones(len(index), dtype=bool)
    if wanted.least_score > 0:
        chosen &= index.score_N >= wanted.least_score
    if wanted.most_score < 1:
        chosen &= index.score_N <= wanted.most_score
    if wanted.category_id is not None:
        chosen &= index.category_N == wanted.category_id
    if wanted.show != "all":
        chosen &= (index.share_N > 0) == (wanted.show == "masks")
    if wanted.audit:
        sample = np.concatenate([*draw_sample(index, wanted.audit).values(), np.empty(0, np.int64)])
        chosen &= np.isin(np.arange(len(index)), sample)
    chosen &= _in_state(index.verdict_N, wanted.state)
    labels = np.flatnonzero(chosen)
    keys = _keys(index, labels, wanted)
    return labels if keys is None else labels[np.argsort(keys, kind="stable")]


def _in_state(verdict_N: np.ndarray, state: State) -> np.ndarray:
    match state:
        case "any":
            return np.ones(len(verdict_N), dtype=bool)
        case "unreviewed":
            return verdict_N == UNREVIEWED
        case "reviewed":
            return verdict_N != UNREVIEWED
        case _:
            return verdict_N == CODES[state]


def _keys(index: LabelIndex, labels: np.ndarray, wanted: Wanted) -> np.ndarray | None:
    match wanted.order:
        case "uncertain":
            column_N, sign = index.sure_N, 1
        case "disagreement":
            column_N, sign = index.apart_N, -1
        case "score":
            column_N, sign = index.score_N, -1
        case "small":
            column_N, sign = index.share_N, 1
        case "large":
            column_N, sign = index.share_N, -1
        case "random":
            # By label and not by place, so that a label keeps its place when others are filtered.
            column_N, sign = np.random.default_rng(wanted.seed).random(len(index)), 1
        case "commit":
            return None
    return sign * column_N[labels]
