"""A score over many episodes becomes the interval in which it would fall with other episodes.

Our own and not scipy's, which is no dependency here: episodes are redrawn within their class, from
a stream that is the same on every machine and in every version. Of n episodes n - 1 are drawn, for
means of n of them vary by (n - 1) / n too little (McCarthy and Snowden 1985), and one of those a
second time, so that a class weighs what it did: the variance of a mean is then 1 + (n - 2) / n^2 of
the right one, 1.125 at most.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

RESAMPLES = 1000


class Interval(NamedTuple):
    """The bounds of a percentile interval."""

    low: float
    high: float


def bootstrap_interval(
    score: Callable[[np.ndarray], float],
    strata_E: np.ndarray,
    seed: int,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
) -> Interval:
    """Return the percentile interval of score(indices) over episodes drawn with replacement.

    Episodes are redrawn within their stratum (the class, for mIoU), so that none goes empty; one
    that is alone in its stratum always comes, as if it could be no other. The same seed draws the
    same episodes on every machine. Resamples without a score (NaN) are left out; without any, the
    bounds are NaN.
    """
    # Raw words, whose stream numpy promises never to change (see model/draws.py).
    words = np.random.PCG64(np.random.SeedSequence(seed))
    groups = [np.flatnonzero(strata_E == stratum) for stratum in np.unique(strata_E)]
    scores = np.array([score(_redrawn(groups, words)) for _ in range(resamples)])
    scores = scores[~np.isnan(scores)]
    if not len(scores):
        return Interval(float("nan"), float("nan"))
    tail = (1 - confidence) / 2
    low, high = np.quantile(scores, [tail, 1 - tail])
    return Interval(float(low), float(high))


def _redrawn(groups: list[np.ndarray], words: np.random.PCG64) -> np.ndarray:
    drawn = []
    for group in groups:
        unit = (words.random_raw(len(group)) >> np.uint64(11)) * 2.0**-53
        fewer = max(len(group) - 1, 1)
        chosen = group[(unit[:fewer] * len(group)).astype(np.intp)]
        again = chosen[(unit[fewer:] * fewer).astype(np.intp)]
        drawn += [chosen, again]
    return np.concatenate(drawn)
