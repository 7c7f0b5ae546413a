"""Log-odds of presence become a probability in a job, and a decision.

A head knows what it was fitted on. A job's own references, each looked for with the others of its
category, and where its categories are known to be absent, say how the job differs: by a scale and a
shift of the log-odds (Platt 1999), near 1 and 0 unless there is much that says otherwise.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.presence.head import logistic, odds_of
from model.segmenter import Prediction
from schemas.errors import BadInput
from schemas.record.presence import Decision, PresenceChoice, PresenceHead

# Of either kind: fewer say more of themselves than of the job.
LEAST_EXAMPLES = 2
# The head's scale is taken as right within a quarter, its shift within one unit of log-odds, until
# a job shows more: chosen, not measured.
SCALE_RIDGE, SHIFT_RIDGE = 16.0, 1.0
MOST_ODDS = 12.0


@dataclass(frozen=True)
class Wanted:
    """What a job asks for: the precision of its labels, the recall, or both; the share of shown."""

    precision: float | None
    recall: float | None
    share: float


@dataclass(frozen=True)
class Judge:
    """A head, and how a job uses it: what says of a prediction whether its object is there."""

    head: PresenceHead
    choice: PresenceChoice

    def chance(self, prediction: Prediction) -> float:
        """Return the probability that a prediction's object is in its image."""
        return probability(odds_of(self.head, prediction), self.choice)


def calibrate(odds_E: Sequence[float], present_E: Sequence[bool]) -> tuple[float, float]:
    """Return scale and shift of a job's log-odds; 1 and 0 where either kind has too few."""
    present = np.array(present_E, dtype=bool)
    if min(present.sum(), (~present).sum()) < LEAST_EXAMPLES:
        return 1.0, 0.0
    with_bias = np.column_stack([np.clip(odds_E, -MOST_ODDS, MOST_ODDS), np.ones(len(present))])
    scale, shift = logistic(
        with_bias, present, np.array([1.0, 0.0]), np.array([SCALE_RIDGE, SHIFT_RIDGE])
    )
    return round(max(float(scale), 0.1), 4), round(float(shift), 4)


def probability(odds: float, choice: PresenceChoice) -> float:
    """Return the probability that the object is there; odds are the head's, in logarithms."""
    return at_share(choice.scale * odds + choice.shift, choice.share)


def decide(chance: float, choice: PresenceChoice) -> Decision:
    """Return what a probability means in the job."""
    if chance >= choice.labelled_from:
        return "labelled"
    return "absent" if chance < choice.absent_below else "review"


def thresholds(head: PresenceHead, wanted: Wanted) -> tuple[float, float]:
    """Return the least probability of a label, and the one below which an object is absent.

    With a precision and a recall, what lies between is for review. A precision alone is the recall
    too: as much is lost among the absent as is wrong among the labels. A recall alone is of labels,
    and leaves nothing for review. Raises BadInput for a precision that the head's examples do not
    show anywhere.
    """
    recall = wanted.recall if wanted.recall is not None else wanted.precision
    assert recall is not None, "a job asks for a precision or a recall"
    low = precise = float(np.quantile(head.present, 1 - recall))
    if wanted.precision is not None:
        precise = _least_precise(head, wanted.precision, wanted.share)
        low = min(low, precise)
    return at_share(precise, wanted.share), at_share(low, wanted.share)


def _least_precise(head: PresenceHead, precision: float, share: float) -> float:
    """Return the least log-odds from which on labels are precise.

    Above all absent examples the next one is expected one time in as many as there are: none seen
    does not mean never.
    """
    present, absent = np.array(head.present), np.array(head.absent)
    most = 0.0
    for cut in np.unique(np.concatenate([present, absent])):
        right = share * np.mean(present >= cut)
        wrong = (1 - share) * max(float(np.mean(absent >= cut)), 1 / head.absent_examples)
        if right >= precision * (right + wrong):
            return float(cut)
        most = max(most, float(right / (right + wrong)))
    raise BadInput(
        "a precision that the presence head cannot promise",
        "thresholds",
        f"precision {precision:g} where a share of {share:g} of the images shows the object",
        f"at most {math.floor(1000 * most) / 1000:g} there, as {head.absent_examples} examples "
        "without it tell; or a head of more (`vrp presence fit`)",
    )


def at_share(odds: float, share: float) -> float:
    """Return the probability that log-odds mean where this share of images shows the object."""
    odds = odds + float(np.log(share / (1 - share)))
    return float(1 / (1 + np.exp(-np.clip(odds, -30, 30))))
