"""Probabilities that an object is there, and the truth, become the figures that judge them.

Letters beyond those of model/segmenter.py: E pairs of an image and a category.
"""

import numpy as np

BINS = 10
KEPT = 0.95
THERE_FROM = 0.5
"""The least probability of an object that is said to be there."""


def false_masks_at_recall(
    score_E: np.ndarray, present_E: np.ndarray, recall: float = KEPT
) -> float:
    """Return the share of absent objects that pass the score that this share of present ones pass.

    NaN unless both kinds are there.
    """
    present_E = np.asarray(present_E, dtype=bool)
    if not present_E.any() or present_E.all():
        return float("nan")
    shown = np.sort(np.asarray(score_E)[present_E])
    least = shown[int(np.floor((1 - recall) * len(shown)))]
    return float(np.mean(np.asarray(score_E)[~present_E] >= least))


def says_there(probability: float | None, predicted_px: int) -> bool:
    """Return whether an object is said to be in an image: by its probability, from a half on.

    Where no probability was asked for, by its mask: a method that finds none leaves it empty.
    """
    return predicted_px > 0 if probability is None else probability >= THERE_FROM


def calibration_error(probability_E: np.ndarray, present_E: np.ndarray) -> float:
    """Return the expected calibration error over ten bins of equal width (Guo et al. 2017, eq. 3).

    NaN without any.
    """
    probability_E, present_E = np.asarray(probability_E, float), np.asarray(present_E, float)
    if not len(probability_E):
        return float("nan")
    bin_E = np.minimum((probability_E * BINS).astype(int), BINS - 1)
    count = np.bincount(bin_E, minlength=BINS)
    said = np.bincount(bin_E, probability_E, minlength=BINS)
    true = np.bincount(bin_E, present_E, minlength=BINS)
    return float(np.abs(said - true).sum() / count.sum())


def risk_coverage(probability_E: np.ndarray, present_E: np.ndarray) -> list[tuple[float, float]]:
    """Return (coverage, risk) at each tenth: of the surest decisions, the share that are wrong.

    A decision is "there" from a probability of a half, and as sure as it is far from a half
    (El-Yaniv and Wiener 2010).
    """
    probability_E, present_E = np.asarray(probability_E, float), np.asarray(present_E, dtype=bool)
    order_E = np.argsort(-np.abs(probability_E - 0.5), kind="stable")
    wrong_E = ((probability_E >= THERE_FROM) != present_E)[order_E]
    counts = [max(1, round(len(wrong_E) * tenth / 10)) for tenth in range(1, 11)]
    return [(n / len(wrong_E), float(wrong_E[:n].mean())) for n in counts if len(wrong_E)]


def risk_area(probability_E: np.ndarray, present_E: np.ndarray) -> float:
    """Return the mean risk over the tenths of `risk_coverage`; NaN without any."""
    risks = [risk for _, risk in risk_coverage(probability_E, present_E)]
    return float(np.mean(risks)) if risks else float("nan")
