"""Stream label rows into what a page shows of them: counts, histograms, a few images.

Memory is that of one part and of the images chosen, whatever the number of labels.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from pipeline.report.picks import Top
from pipeline.report.score import RowScores, Scorer, Scores, compare
from pipeline.report.truth import Truth
from schemas.job.reference import Category

Group = Literal["best", "worst", "least-confident", "random"]
GROUPS: tuple[Group, ...] = ("best", "worst", "least-confident", "random")

Offer = tuple[np.ndarray, tuple[np.ndarray, ...]]
"""Which rows a group is about, and their keys in the order they count."""

SCORE_BINS = 20
AREA_DECADES = 4  # from a ten-thousandth of the image to all of it
BINS_PER_DECADE = 5


@dataclass(frozen=True)
class Pick:
    """An image to look at: its rows (LABEL_SCHEMA), and the row it was chosen for first."""

    image_id: str
    uri: str
    rows: tuple[dict[str, Any], ...]
    ious: tuple[float | None, ...]  # per row; None without truth, or where nothing is to be found


@dataclass(frozen=True)
class CategoryTally:
    """How often a category was found, and how its masks look on average."""

    category: Category
    labelled: int
    empty: int
    review: int  # of both, what the job decided is for review
    mean_score: float | None
    mean_area_share: float | None


@dataclass(frozen=True)
class Survey:
    """All labels, summed up. Histograms: counts per bin.

    decided says whether the job decided by a probability that objects are there.
    """

    tallies: tuple[CategoryTally, ...]
    score_labelled: np.ndarray  # [SCORE_BINS] over 0..1
    score_empty: np.ndarray
    area: np.ndarray  # [decades * bins], log10 of the share of the image; the first is open below
    picks: dict[Group, list[Pick]]
    scores: Scores | None
    decided: bool


@dataclass(frozen=True)
class RejectedSurvey:
    """Why images were rejected, and a random few of them (rows of REJECTED_SCHEMA)."""

    reasons: Counter[str]
    picks: list[dict[str, Any]]


def survey_labels(
    tables: Iterable[pa.Table],
    categories: Sequence[Category],
    truth: Truth | None,
    most: int,
    seed: int = 0,
) -> Survey:
    """Read tables of label rows once; `most` images are picked for each group."""
    rng = np.random.default_rng(seed)
    scorer = Scorer(categories, truth) if truth else None
    tops: dict[Group, Top[Pick]] = {group: Top(most) for group in GROUPS}
    sums = {category.id: np.zeros(5) for category in categories}
    scores = np.zeros((2, SCORE_BINS), dtype=np.int64)
    area = np.zeros(AREA_DECADES * BINS_PER_DECADE, dtype=np.int64)
    decided = False
    for table in tables:
        if not table.num_rows:
            continue
        compared = compare(table, truth) if truth else None
        if scorer and compared:
            scorer.add(table, compared)
        labelled = table["area_px"].to_numpy() > 0
        score = table["score"].to_numpy()
        share = _area_share(table)
        decided = decided or table["decision"].null_count < table.num_rows
        for kind, chosen in enumerate((labelled, ~labelled)):
            bins = np.clip(score[chosen] * SCORE_BINS, 0, SCORE_BINS - 1).astype(np.intp)
            scores[kind] += np.bincount(bins, minlength=SCORE_BINS)
        area += np.bincount(area_bin(share[labelled]), minlength=len(area))
        _tally(table, labelled, score, share, sums)
        _pick(table, compared, rng, tops)
    return Survey(
        tallies=tuple(_finish(category, sums[category.id]) for category in categories),
        score_labelled=scores[0],
        score_empty=scores[1],
        area=area,
        picks={group: top.entries() for group, top in tops.items()},
        scores=scorer.scores() if scorer else None,
        decided=decided,
    )


def survey_rejected(tables: Iterable[pa.Table], most: int, seed: int = 0) -> RejectedSurvey:
    """Read tables of rejected rows once."""
    rng = np.random.default_rng(seed)
    reasons: Counter[str] = Counter()
    top: Top[dict[str, Any]] = Top(most)
    for table in tables:
        reasons.update(table["reason"].to_pylist())
        names = [str(number) for number in range(reasons.total() - table.num_rows, reasons.total())]
        top.offer(names, rng.random((table.num_rows, 1)), partial(_row, table))
    return RejectedSurvey(reasons, top.entries())


def area_bin(share: np.ndarray) -> np.ndarray:
    """Return the bin of each share of the image, 0 < share <= 1."""
    bins = np.floor((np.log10(share) + AREA_DECADES) * BINS_PER_DECADE)
    return np.clip(bins, 0, AREA_DECADES * BINS_PER_DECADE - 1).astype(np.intp)


def _area_share(table: pa.Table) -> np.ndarray:
    image_px = table["height"].to_numpy().astype(np.float64) * table["width"].to_numpy()
    return table["area_px"].to_numpy() / image_px


def _tally(
    table: pa.Table,
    labelled: np.ndarray,
    score: np.ndarray,
    share: np.ndarray,
    sums: dict[int, np.ndarray],
) -> None:
    category_ids = table["category_id"].to_numpy()
    review = table["decision"].to_numpy() == "review"
    for category_id in np.unique(category_ids).tolist():
        ours = category_ids == category_id
        found = ours & labelled
        sums[category_id] += (
            np.count_nonzero(found),
            np.count_nonzero(ours & ~labelled),
            np.count_nonzero(ours & review),
            score[found].sum(),
            share[found].sum(),
        )


def _finish(category: Category, sums: np.ndarray) -> CategoryTally:
    labelled, empty, review, score, share = sums.tolist()
    return CategoryTally(
        category,
        int(labelled),
        int(empty),
        int(review),
        score / labelled if labelled else None,
        share / labelled if labelled else None,
    )


def _pick(
    table: pa.Table,
    compared: RowScores | None,
    rng: np.random.Generator,
    tops: dict[Group, Top[Pick]],
) -> None:
    """Offer each group the rows it is about, with its keys: the larger, the sooner shown."""
    labelled = table["area_px"].to_numpy() > 0
    stability = table["stability"].to_numpy().astype(float)
    # How likely the object is there at all says more than how good its mask is, were it there.
    chance, score = (table[name].to_numpy().astype(float) for name in ("probability", "score"))
    sureness = np.where(np.isnan(chance), score, chance)
    image_ids = table["image_id"].to_pylist()
    if compared is None:
        offers: dict[Group, Offer] = {
            "best": (labelled, (sureness,)),
            "worst": (labelled, (-stability,)),
        }
    else:
        wrong_px = (compared.union_px - compared.intersection_px).astype(float)
        offers = {
            "best": (labelled & compared.judged & compared.shown, (compared.iou,)),
            # A missed object and a mask of nothing both have IoU 0: the larger comes first.
            "worst": (compared.judged & (compared.union_px > 0), (-compared.iou, wrong_px)),
        }
    offers["least-confident"] = (labelled, (-sureness,))
    # An image's rows follow each other: the first of each stands for it.
    first = np.array([True, *(a != b for a, b in pairwise(image_ids))])
    offers["random"] = (first, (rng.random(len(image_ids)),))
    for group, (about, keys) in offers.items():
        rows = np.flatnonzero(about)
        names = [image_ids[row] for row in rows.tolist()]
        take = partial(_take, table, compared, rows)
        tops[group].offer(names, np.stack(keys, axis=1)[rows], take)


def _take(table: pa.Table, compared: RowScores | None, rows: np.ndarray, number: int) -> Pick:
    """Return the image of candidate row `number` with all its rows, that one first."""
    chosen = int(rows[number])
    image_ids = table["image_id"].to_pylist()
    image_id = image_ids[chosen]
    same = [index for index, other in enumerate(image_ids) if other == image_id]
    indices = [chosen, *(index for index in same if index != chosen)]
    ious = (None,) * len(indices) if compared is None else _ious(compared, indices)
    picked = tuple(table.take(pa.array(indices)).to_pylist())
    return Pick(image_id, picked[0]["uri"], picked, ious)


def _ious(compared: RowScores, indices: list[int]) -> tuple[float | None, ...]:
    known = compared.judged & (compared.union_px > 0)
    return tuple(float(compared.iou[index]) if known[index] else None for index in indices)


def _row(table: pa.Table, number: int) -> dict[str, Any]:
    return table.slice(number, 1).to_pylist()[0]
