"""Signals of presence become log-odds, by a logistic regression that is fitted here.

Letters beyond those of model/segmenter.py: E examples, N signals.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.presence.signals import signals_of
from model.segmenter import Prediction
from schemas.errors import BadInput
from schemas.record.presence import PresenceHead

RIDGE = 1.0  # of standardised signals, in examples: correlated ones share their weight
LEAST_DEVIATION = 1e-4  # of a signal that never changes; heads are written to five places
STEPS = 50
FOLDS = 5
PERCENTILES = np.arange(101)


@dataclass(frozen=True)
class Examples:
    """Signals [E, N] in the order of names, whether the object was there, and the episode."""

    names: tuple[str, ...]
    signals_EN: np.ndarray
    present_E: np.ndarray
    episode_E: np.ndarray

    @property
    def alone(self) -> np.ndarray:
        """Which are of a lone category, as far as the signals say, [E].

        More of these are present, by the way episodes are drawn: nothing for a head to learn.
        """
        if "alone" not in self.names:
            return np.zeros(len(self.present_E), bool)
        return self.signals_EN[:, self.names.index("alone")] > 0


@dataclass(frozen=True)
class FittedFor:
    """Which networks a head's signals are from: their types, and their weights by name.

    backbone is None where it is SAM's own encoder; `own` names weights that are not published.
    """

    method: str
    sam: str
    backbone: str | None
    networks: tuple[str, ...]

    def __str__(self) -> str:
        features = self.backbone or "its own features"
        return f"{self.method} with SAM {self.sam} and {features} ({', '.join(self.networks)})"


def log_odds(head: PresenceHead, signals_EN: np.ndarray) -> np.ndarray:
    """Return the log-odds that the object is there, [E], where it is in half of the images.

    signals_EN are in the head's order.
    """
    standard_EN = (signals_EN - np.array(head.mean)) / np.array(head.deviation)
    return standard_EN @ np.array(head.weights) + head.bias


def odds_of(head: PresenceHead, prediction: Prediction) -> float:
    """Return the log-odds that a prediction's object is there, from its signals."""
    signals = signals_of(prediction)
    return float(log_odds(head, np.array([signals[name] for name in head.signals])))


def fit_head(examples: Examples, about: FittedFor, training: str) -> PresenceHead:
    """Fit a head; its percentiles are of examples that a fit without their episodes judged.

    training says in words what the examples are. Raises BadInput where all or none are present.
    """
    present = int(np.count_nonzero(examples.present_E))
    absent = len(examples.present_E) - present
    if not present or not absent:
        raise BadInput(
            "a presence head has nothing to tell apart",
            training,
            f"{present} examples in which the object is there, {absent} in which it is not",
            "some of each: images of which it is known that they lack a category, and others",
        )
    judged_E = odds_without_own(examples)
    every_E = np.ones(len(examples.present_E), bool)
    mean, deviation, weights, bias = _fit(examples, every_E)
    return PresenceHead(
        method=about.method,
        sam=about.sam,
        backbone=about.backbone,
        networks=about.networks,
        signals=examples.names,
        mean=_rounded(mean),
        deviation=_rounded(deviation),
        weights=_rounded(weights),
        bias=round(float(bias), 5),
        present=_rounded(np.percentile(judged_E[examples.present_E], PERCENTILES)),
        absent=_rounded(np.percentile(judged_E[~examples.present_E], PERCENTILES)),
        absent_examples=int(np.count_nonzero(~examples.present_E)),
        training=training,
    )


def odds_without_own(examples: Examples) -> np.ndarray:
    """Return each example's log-odds, [E], by a fit without a fifth of episodes, its own too."""
    folds_E = examples.episode_E % FOLDS
    judged_E = np.empty(len(folds_E))
    for fold in np.unique(folds_E):
        out_E = folds_E == fold
        mean, deviation, weights, bias = _fit(examples, ~out_E)
        judged_E[out_E] = (examples.signals_EN[out_E] - mean) / deviation @ weights + bias
    return judged_E


def logistic(
    signals_EN: np.ndarray,
    present_E: np.ndarray,
    prior_N: np.ndarray,
    ridge_N: np.ndarray,
    group_E: np.ndarray | None = None,
) -> np.ndarray:
    """Return the weights [N] most likely where they are prior_N, give or take 1 / sqrt(ridge_N).

    Newton's steps; in each group (none given: there is one) present and absent examples weigh the
    same in sum, however many there are.
    """
    each_E = np.ones(len(present_E))
    grouped_E = np.zeros(len(present_E)) if group_E is None else group_E
    for group in np.unique(grouped_E):
        of_E = grouped_E == group
        for kind_E in (of_E & present_E, of_E & ~present_E):
            each_E[kind_E] = np.count_nonzero(of_E) / 2 / max(np.count_nonzero(kind_E), 1)
    weights_N = prior_N.copy()
    for _ in range(STEPS):
        odds_E = np.clip(signals_EN @ weights_N, -30, 30)
        probability_E = 1 / (1 + np.exp(-odds_E))
        slope_N = signals_EN.T @ (each_E * (probability_E - present_E))
        slope_N += ridge_N * (weights_N - prior_N)
        bend_E = each_E * np.maximum(probability_E * (1 - probability_E), 1e-6)
        step_N = np.linalg.solve((signals_EN.T * bend_E) @ signals_EN + np.diag(ridge_N), slope_N)
        weights_N = weights_N - step_N
        if np.abs(step_N).max() < 1e-8:
            break
    return weights_N


def _fit(
    examples: Examples, chosen_E: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    signals_EN, present_E = examples.signals_EN[chosen_E], examples.present_E[chosen_E]
    mean_N = signals_EN.mean(axis=0)
    deviation_N = np.maximum(signals_EN.std(axis=0), LEAST_DEVIATION)
    standard_EN = (signals_EN - mean_N) / deviation_N
    with_bias = np.column_stack([standard_EN, np.ones(len(standard_EN))])
    count = signals_EN.shape[1]
    ridge = np.array([RIDGE] * count + [1e-6])
    alone_E = examples.alone[chosen_E]
    found = logistic(with_bias, present_E, np.zeros(count + 1), ridge, alone_E)
    return mean_N, deviation_N, found[:-1], float(found[-1])


def _rounded(values: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)
