"""Draw the labels that stand for all: of each category, score and presence of a mask equally many.

The same labels give the same sample on every machine, and a larger sample holds the smaller.
"""

import numpy as np

from pipeline.review.index import LabelIndex

SCORE_EDGES = (0.5, 0.7, 0.8, 0.9)
"""Finer where most masks are: SAM's predicted IoU crowds towards 1."""
EMPTY = -1

Stratum = tuple[int, int]
"""A category's id, and the bin of the score among SCORE_EDGES; EMPTY for labels without a mask."""


def bins_of(index: LabelIndex) -> np.ndarray:
    """Return each label's bin, int [N]."""
    bins_N = np.digitize(index.score_N, SCORE_EDGES)
    return np.where(index.share_N > 0, bins_N, EMPTY)


def draw_sample(index: LabelIndex, each: int) -> dict[Stratum, np.ndarray]:
    """Return the sample's labels by stratum; of one with no more labels than `each`, all."""
    bins_N = bins_of(index)
    sample = {}
    for category in np.unique(index.category_N).tolist():
        for number in range(EMPTY, len(SCORE_EDGES) + 1):
            labels = np.flatnonzero((index.category_N == category) & (bins_N == number))
            if len(labels):
                # Keys are hashes: their order is as good as random, and nobody's choice.
                sample[category, number] = labels[np.argsort(index.key_N[labels])[:each]]
    return sample
