"""Turn verdicts on an audit sample into what is known of all labels, with intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from model.scores.wilson import stratified_share
from pipeline.review.audit import EMPTY, FOR_REVIEW, SCORE_EDGES, Stratum, bins_of, draw_sample
from pipeline.review.index import UNREVIEWED
from pipeline.review.review import Review
from schemas.errors import BadInput

NAMES = ("precision", "presence", "recall", "iou")


@dataclass(frozen=True)
class Figure:
    """A share of all labels, as estimated, and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """What is known of a category's labels, or of all, or of those in one bin of the score.

    precision: masks that are right as made. presence: masks whose category is there. recall:
    images with the category that have a mask of it. iou: of masks as made with what is right. A
    mask for review is none: exports leave it out.
    """

    what: str
    labels: int
    judged: int
    figures: Mapping[str, Figure]


@dataclass(frozen=True)
class _Stratum:
    """A stratum's size, and of each judged label what was said: arrays of one entry each."""

    size: int
    right: np.ndarray
    there: np.ndarray
    iou: np.ndarray


@dataclass(frozen=True)
class Certificate:
    """Lines for all labels, for each category, and for each bin of a category."""

    output: str
    fingerprint: str
    each: int
    lines: tuple[Line, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as values for JSON."""
        return asdict(self)

    def falls_short(self, required: Mapping[str, float]) -> list[str]:
        """Say which requirements the lower bounds for all labels do not reach."""
        known = self.lines[0].figures
        return [
            f"{name}: at least {known[name].low:.3f} with 95 % confidence, wanted {least:g}"
            if name in known
            else f"{name}: not known, wanted {least:g}"
            for name, least in required.items()
            if name not in known or known[name].low < least
        ]


def certify(review: Review, each: int) -> Certificate:
    """Return the certificate. Raises BadInput while labels of the sample have no verdict."""
    sample = draw_sample(review.index, each)
    unreviewed_N = review.index.verdict_N == UNREVIEWED
    if left := sum(int(unreviewed_N[labels].sum()) for labels in sample.values()):
        raise BadInput(
            "an audit sample that is not reviewed",
            review.uri,
            f"{left} of its labels without a verdict",
            f"`vrp studio {review.uri}`, with {each} as audit sample; then this command again",
        )
    category_N, bins_N = review.index.category_N, bins_of(review.index)
    strata = {
        (category, number): _judge(
            review, labels, int(((category_N == category) & (bins_N == number)).sum())
        )
        for (category, number), labels in sample.items()
    }
    lines = [_line("all labels", list(strata.items()))]
    for category in review.commit.categories:
        own = [(key, stratum) for key, stratum in strata.items() if key[0] == category.id]
        if own:
            lines.append(_line(category.name, own))
            lines += [_line(f"{category.name}, {_said(key)}", [(key, one)]) for key, one in own]
    return Certificate(review.uri, review.commit.fingerprint, each, tuple(lines))


def _judge(review: Review, labels: np.ndarray, size: int) -> _Stratum:
    rows = [review.row(label) for label in labels.tolist()]
    said = [review.verdicts.newest[row["image_id"], row["category_id"]] for row in rows]
    verdicts = np.array([one["verdict"] for one in said])
    empty = np.array([row["status"] == "empty" for row in rows])
    # An empty label that is accepted says that nothing is there.
    there = np.where(empty, np.isin(verdicts, ("rejected", "corrected")), verdicts != "absent")
    ious = [_iou(row, one) for row, one in zip(rows, said, strict=True)]
    return _Stratum(size, verdicts == "accepted", there, np.array(ious))


def _iou(row: Mapping[str, Any], said: Mapping[str, Any]) -> float:
    if said["verdict"] != "corrected":
        return float(said["verdict"] == "accepted")
    size = [row["height"], row["width"]]
    made: Any = {"size": size, "counts": row["rle_counts"].encode("ascii")}
    right: Any = {"size": size, "counts": said["rle_counts"].encode("ascii")}
    return float(np.asarray(coco_mask.iou([made], [right], [0]))[0, 0])


def _line(what: str, strata: Sequence[tuple[Stratum, _Stratum]]) -> Line:
    masks = [one for (_, number), one in strata if number >= 0]
    without = [one for (_, number), one in strata if number < 0]
    figures = {}
    if masks:
        figures["precision"] = _share(masks, [one.right for one in masks])
        figures["presence"] = _share(masks, [one.there for one in masks])
        if without:
            figures["recall"] = _recall(masks, without)
        figures["iou"] = _share(masks, [one.iou for one in masks])
    every = [one for _, one in strata]
    return Line(what, sum(one.size for one in every), sum(len(one.right) for one in every), figures)


def _share(strata: Sequence[_Stratum], right: Sequence[np.ndarray]) -> Figure:
    """Return the mean of what each judged label is worth, 0 to 1, over the strata."""
    sizes, judged = [one.size for one in strata], [len(one.right) for one in strata]
    share, (low, high) = stratified_share(sizes, judged, [float(one.sum()) for one in right])
    return Figure(share, low, high)


def _recall(masks: Sequence[_Stratum], without: Sequence[_Stratum]) -> Figure:
    """Return found / (found + missed): its bounds are those of both parts at their worst."""
    found, missed = (_share(part, [one.there for one in part]) for part in (masks, without))
    masked, others = (sum(one.size for one in part) for part in (masks, without))

    def recall(found_share: float, missed_share: float) -> float:
        shown = found_share * masked + missed_share * others
        return found_share * masked / shown if shown else 1.0

    return Figure(
        recall(found.value, missed.value),
        recall(found.low, missed.high),
        recall(found.high, missed.low),
    )


def _said(key: Stratum) -> str:
    if key[1] < 0:
        return {EMPTY: "without a mask", FOR_REVIEW: "for review"}[key[1]]
    edges = (0.0, *SCORE_EDGES, 1.0)
    return f"score {edges[key[1]]:g} to {edges[key[1] + 1]:g}"
