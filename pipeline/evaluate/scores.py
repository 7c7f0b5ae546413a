"""Scores of counted episodes, with intervals: by fold, over folds, by category, and compared.

Scores of masks are over targets that show the category; the others are judged by what is masked in
them all the same, and by how well presence tells them apart.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from model.scores.bootstrap import bootstrap_interval
from pipeline.evaluate.metrics import (
    ACCURACY,
    METRICS,
    OF_CATEGORY,
    Arrays,
    Score,
    with_decisions,
)
from schemas.job.evaluate import SCORES_SCHEMA

KEYS = ("method", "format", "shots", "mask_growth_px")
GAIN = "miou_grid_gain"
"""mIoU minus that of the job's first method on the same episodes."""


@dataclass(frozen=True)
class Drawing:
    """How intervals are drawn: how many resamples, from which seed."""

    resamples: int
    seed: int


def score(results: pa.Table, names: Mapping[int, str], drawing: Drawing) -> pa.Table:
    """Return SCORES_SCHEMA; results are counts with their `method`, names the categories'.

    The mean over folds is the mean of the folds' scores, as the papers' tables have it.
    """
    rows: list[dict[str, Any]] = []
    first: dict[tuple[Any, ...], Arrays] = {}
    for key, arrays in _groups(results):
        folds = np.unique(arrays["fold"])
        scored: list[dict[str, Any]] = []
        for fold in folds:
            of_fold = _chosen(arrays, np.flatnonzero(arrays["fold"] == fold))
            scored = list(_scored(of_fold, drawing))
            by_category = _by_category(of_fold, names)
            rows += [key | {"fold": int(fold)} | row for row in (*scored, *by_category)]
        if len(folds) > 1:
            scored = list(_scored(arrays, drawing))
        against = first.setdefault(tuple(key.values())[1:], arrays)
        if against is not arrays:
            scored.append(_gain(arrays, against, drawing))
        rows += [key | {"fold": None} | row for row in scored]
    return pa.Table.from_pylist(rows, schema=SCORES_SCHEMA)


def _groups(results: pa.Table) -> Iterator[tuple[dict[str, Any], Arrays]]:
    """Yield each method and variant, in the order of its first row, with its columns."""
    keys = list(zip(*(results[name].to_pylist() for name in KEYS), strict=True))
    columns = {
        name: results[name].to_numpy()
        for name in results.column_names
        if name not in ("method", "format")
    }
    rows: dict[tuple[Any, ...], list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    for key, indices in rows.items():
        yield dict(zip(KEYS, key, strict=True)), with_decisions(_chosen(columns, np.array(indices)))


def _chosen(arrays: Arrays, indices: np.ndarray) -> Arrays:
    return {name: values[indices] for name, values in arrays.items()}


def _scored(arrays: Arrays, drawing: Drawing) -> Iterator[dict[str, Any]]:
    """Yield every metric over the folds that are there: their mean, if there are several."""
    for name, metric in METRICS.items():
        if np.isnan(value := _over_folds(metric, arrays)):
            episodes = len(_rows_by_episode(arrays))
            yield _score_row(name, None, (value, np.nan, np.nan), episodes)
            continue
        yield _with_interval(
            name,
            lambda indices, m=metric: _over_folds(m, _chosen(arrays, indices)),
            arrays,
            drawing,
        )


def _gain(arrays: Arrays, against: Arrays, drawing: Drawing) -> dict[str, Any]:
    """Compare mIoU with another method's, episode by episode: what both find hard cancels out."""
    for name in ("fold", "episode"):
        assert np.array_equal(arrays[name], against[name]), "methods share their episodes"
    metric = METRICS["miou_grid"]
    return _with_interval(
        GAIN,
        lambda indices: (
            _over_folds(metric, _chosen(arrays, indices))
            - _over_folds(metric, _chosen(against, indices))
        ),
        arrays,
        drawing,
    )


def _with_interval(
    name: str, score_of: Callable[[np.ndarray], float], arrays: Arrays, drawing: Drawing
) -> dict[str, Any]:
    """Return a score over all episodes, and its interval over those of each stratum.

    There is none where an episode has no other to be redrawn with.
    """
    rows_EN = _rows_by_episode(arrays)
    strata_E = _strata(arrays, rows_EN)
    low = high = np.nan
    if not (np.bincount(strata_E) == 1).any():
        low, high = bootstrap_interval(
            lambda episodes: score_of(rows_EN[episodes].ravel()),
            strata_E,
            drawing.seed,
            drawing.resamples,
        )
    rows = len(arrays["fold"])
    return _score_row(name, None, (score_of(np.arange(rows)), low, high), len(rows_EN))


def _rows_by_episode(arrays: Arrays) -> np.ndarray:
    """Return the rows of each episode, [E, N] for N categories, in the order of their first."""
    episodes = np.stack([arrays["fold"].astype(np.int64), arrays["episode"]])
    _, place = np.unique(episodes, axis=1, return_inverse=True)
    ways = np.bincount(place.ravel())
    assert (ways == ways[0]).all(), "every episode asks for as many categories"
    rows_EN = np.argsort(place.ravel(), kind="stable").reshape(-1, ways[0])
    return rows_EN[np.argsort(rows_EN[:, 0])]


def _strata(arrays: Arrays, rows_EN: np.ndarray) -> np.ndarray:
    """Return whose episodes are redrawn among each other: a fold's, and of one category its own.

    Those that are alone so are redrawn together, as if of one category: too wide an interval rather
    than none. Those of several categories mix too many ways to be told apart by them.
    """
    first = rows_EN[:, 0]
    columns = [arrays[name][first] for name in ("fold", "negative", "category_id")]
    if rows_EN.shape[1] > 1:
        return _numbered(columns[:1])
    strata_E = _numbered(columns)
    alone_E = np.bincount(strata_E)[strata_E] == 1
    return np.where(alone_E, len(strata_E) + _numbered(columns[:2]), strata_E)


def _numbered(columns: list[np.ndarray]) -> np.ndarray:
    """Return a number for each row, the same for rows that are the same in all columns."""
    return np.unique(np.stack(columns), axis=1, return_inverse=True)[1].ravel()


def _over_folds(metric: Score, arrays: Arrays) -> float:
    folds = np.unique(arrays["fold"])
    if len(folds) == 1:
        return metric(arrays)
    values = [metric(_chosen(arrays, np.flatnonzero(arrays["fold"] == fold))) for fold in folds]
    return float(np.mean(values))


def _by_category(arrays: Arrays, names: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    asked = arrays["category_id"]
    shown = asked[~arrays["negative"]]
    for metric, of_classes in OF_CATEGORY.items():
        for category_id, value in of_classes(arrays).items():
            judged = asked if metric == ACCURACY else shown
            episodes = int(np.count_nonzero(judged == category_id))
            yield _score_row(metric, names[category_id], (value, np.nan, np.nan), episodes)


def _score_row(
    metric: str, category: str | None, values: tuple[float, float, float], episodes: int
) -> dict[str, Any]:
    named = zip(("value", "low", "high"), values, strict=True)
    return {
        "category": category,
        "metric": metric,
        "episodes": episodes,
        **{name: None if np.isnan(value) else float(value) for name, value in named},
    }
