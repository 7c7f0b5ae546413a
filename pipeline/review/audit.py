"""Draw the labels that stand for all: of each category, score and presence of a mask equally many.

The same labels of the same job give the same sample on every machine, and a larger one holds the
smaller. Another job's are drawn anew: it may have learned from what was said of the last sample.
"""

import numpy as np

from pipeline.review.index import LabelIndex

SCORE_EDGES = (0.5, 0.7, 0.8, 0.9)
"""Finer where most masks are: SAM's predicted IoU crowds towards 1."""
EMPTY, FOR_REVIEW = -1, -2

Stratum = tuple[int, int]
"""A category's id, and the bin of the score among SCORE_EDGES; EMPTY for labels without a mask,
FOR_REVIEW for masks that no export takes."""


def bins_of(index: LabelIndex) -> np.ndarray:
    """Return each label's bin, int [N]."""
    bins_N = np.digitize(index.score_N, SCORE_EDGES)
    bins_N[index.review_N] = FOR_REVIEW
    return np.where(index.share_N > 0, bins_N, EMPTY)


def draw_sample(index: LabelIndex, each: int) -> dict[Stratum, np.ndarray]:
    """Return the sample's labels by stratum; of one with no more labels than `each`, all."""
    bins_N = bins_of(index)
    sample = {}
    for category in np.unique(index.category_N).tolist():
        for number in range(FOR_REVIEW, len(SCORE_EDGES) + 1):
            labels = np.flatnonzero((index.category_N == category) & (bins_N == number))
            if len(labels):
                # Keys are hashes: their order is as good as random, and nobody's choice.
                keys = index.key_N[labels] ^ index.salt
                sample[category, number] = labels[np.argsort(keys)[:each]]
    return sample
