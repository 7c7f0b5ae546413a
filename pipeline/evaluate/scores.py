"""Counts of episodes become scores with intervals: by fold, over folds, and by category.

Scores of masks are over targets that show the category; the others are judged by what is masked in
them all the same, and by how well presence tells them apart.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from model.bootstrap import bootstrap_interval
from model.metrics import (
    Overlaps,
    false_mask_rate,
    foreground_background_iou,
    iou_by_class,
    mean_iou,
    presence_auroc,
)
from pipeline.score_labels import FALSE_MASK_SHARE
from schemas.evaluate import SCORES_SCHEMA

KEYS = ("method", "format", "shots", "mask_growth_px")
Arrays = Mapping[str, np.ndarray]
Score = Callable[[Arrays], float]


@dataclass(frozen=True)
class Drawing:
    """How intervals are drawn: how many resamples, from which seed."""

    resamples: int
    seed: int


def _overlaps(rows: Arrays, prefix: str, background: bool = True) -> Overlaps:
    """Take the counts of positives; a metric that needs no background is given zeros."""
    shown = ~rows["negative"]
    none = np.zeros(int(shown.sum()), np.int64)

    def column(name: str) -> np.ndarray:
        return rows[f"{prefix}{name}_px"][shown]

    return Overlaps(
        rows["category_id"][shown],
        column("intersection"),
        column("union"),
        column("background_intersection") if background else none,
        column("background_union") if background else none,
    )


def _false_masks(rows: Arrays) -> float:
    share = rows["predicted_px"] / np.maximum(rows["image_px"], 1)
    return false_mask_rate(share[rows["negative"]] > FALSE_MASK_SHARE)


def _auroc(rows: Arrays) -> float:
    # SAM's predicted IoU stands in for methods that do not search for the object.
    known = np.isnan(rows["presence"]).any()
    return presence_auroc(rows["score"] if known else rows["presence"], ~rows["negative"])


def _of_objects(value: Callable[[Arrays], np.ndarray]) -> Score:
    """Return DAVIS's mean: over an object's frames, then over objects; NaN for other data sets."""

    def score_of(rows: Arrays) -> float:
        if not len(rows["contour_f"]) or np.isnan(rows["contour_f"]).any():
            return float("nan")
        of_frames = value(rows)
        objects = np.unique(rows["category_id"])
        means = [of_frames[rows["category_id"] == number].mean() for number in objects]
        return float(np.mean(means))

    return score_of


def _region(rows: Arrays) -> np.ndarray:
    """Return J of each frame: 1 where both masks are empty (`model.metrics.region_similarity`)."""
    empty = rows["union_px"] == 0
    return np.where(empty, 1.0, rows["intersection_px"] / np.maximum(rows["union_px"], 1))


METRICS: dict[str, Score] = {
    "miou_grid": lambda rows: mean_iou(_overlaps(rows, "grid_")),
    "miou": lambda rows: mean_iou(_overlaps(rows, "")),
    "fb_iou_grid": lambda rows: foreground_background_iou(_overlaps(rows, "grid_")),
    "fb_iou": lambda rows: foreground_background_iou(_overlaps(rows, "")),
    "boundary_iou": lambda rows: mean_iou(_overlaps(rows, "boundary_", background=False)),
    "false_mask_rate": _false_masks,
    "presence_auroc": _auroc,
    "davis_j": _of_objects(_region),
    "davis_f": _of_objects(lambda rows: rows["contour_f"]),
    "davis_j_and_f": _of_objects(lambda rows: (_region(rows) + rows["contour_f"]) / 2),
}
OF_CATEGORY: dict[str, Callable[[Arrays], Mapping[int, float]]] = {
    "iou_grid": lambda rows: iou_by_class(_overlaps(rows, "grid_")),
    "iou": lambda rows: iou_by_class(_overlaps(rows, "")),
    "boundary_iou": lambda rows: iou_by_class(_overlaps(rows, "boundary_", background=False)),
}


def score(results: pa.Table, names: Mapping[int, str], drawing: Drawing) -> pa.Table:
    """Return SCORES_SCHEMA; results are counts with their `method`, names the categories'.

    The mean over folds is the mean of the folds' scores, as the papers' tables have it.
    """
    rows: list[dict[str, Any]] = []
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
    places: dict[tuple[Any, ...], list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    for key, indices in places.items():
        yield dict(zip(KEYS, key, strict=True)), _chosen(columns, np.array(indices))


def _chosen(arrays: Arrays, indices: np.ndarray) -> Arrays:
    return {name: values[indices] for name, values in arrays.items()}


def _scored(arrays: Arrays, drawing: Drawing) -> Iterator[dict[str, Any]]:
    """Yield every metric over the folds that are there: their mean, if there are several."""
    strata = np.unique(
        np.stack([arrays["fold"], arrays["category_id"], arrays["negative"]]),
        axis=1,
        return_inverse=True,
    )[1]
    episodes = len(arrays["fold"])
    for name, metric in METRICS.items():
        value = _over_folds(metric, arrays)
        low, high = np.nan, np.nan
        if not np.isnan(value):
            low, high = bootstrap_interval(
                lambda indices, m=metric: _over_folds(m, _chosen(arrays, indices)),
                strata.ravel(),
                drawing.seed,
                drawing.resamples,
            )
        yield _score_row(name, None, (value, low, high), episodes)


def _over_folds(metric: Score, arrays: Arrays) -> float:
    folds = np.unique(arrays["fold"])
    if len(folds) == 1:
        return metric(arrays)
    values = [metric(_chosen(arrays, np.flatnonzero(arrays["fold"] == fold))) for fold in folds]
    return float(np.mean(values))


def _by_category(arrays: Arrays, names: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    shown = arrays["category_id"][~arrays["negative"]]
    for metric, of_classes in OF_CATEGORY.items():
        for category_id, value in of_classes(arrays).items():
            episodes = int(np.count_nonzero(shown == category_id))
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
