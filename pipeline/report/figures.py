"""Turn what was surveyed into charts and table lines, in words and geometry."""

from dataclasses import dataclass
from itertools import pairwise

from pipeline.report.charts import Axis, Chart, curves, histogram
from pipeline.report.score import Scores
from pipeline.report.survey import AREA_DECADES, BINS_PER_DECADE, SCORE_BINS, Survey


@dataclass(frozen=True)
class CategoryLine:
    """A row of the table of categories; texts, "" where nothing is known."""

    name: str
    id: int
    labelled: int
    empty: int
    review: int
    mean_score: str
    mean_area: str
    iou: str
    false_masks: str


def category_lines(survey: Survey) -> list[CategoryLine]:
    """Return a line for each category, in the order of the ids."""
    judged = {s.category.id: s for s in survey.scores.categories} if survey.scores else {}
    lines = []
    for tally in survey.tallies:
        score = judged.get(tally.category.id)
        lines.append(
            CategoryLine(
                name=tally.category.name,
                id=tally.category.id,
                labelled=tally.labelled,
                empty=tally.empty,
                review=tally.review,
                mean_score="" if tally.mean_score is None else f"{tally.mean_score:.3f}",
                mean_area="" if tally.mean_area_share is None else percent(tally.mean_area_share),
                iou="" if score is None or score.iou is None else f"{score.iou:.3f}",
                false_masks=f"{score.false_masks} of {score.absent}" if score else "",
            )
        )
    return lines


def charts_of(survey: Survey) -> list[Chart]:
    """Return the histograms, and with ground truth the curve."""
    step = 1 / SCORE_BINS
    score = Axis(
        "score",
        [f"{index * step:.2f} to {(index + 1) * step:.2f}" for index in range(SCORE_BINS)],
        [(value, f"{value:g}") for value in (0, 0.25, 0.5, 0.75, 1)],
    )
    edges = [
        10 ** (index / BINS_PER_DECADE - AREA_DECADES)
        for index in range(AREA_DECADES * BINS_PER_DECADE + 1)
    ]
    area = Axis(
        "share of the image",
        [f"{percent(low)} to {percent(high)}" for low, high in pairwise(edges)],
        [
            (index / AREA_DECADES, percent(10.0 ** (index - AREA_DECADES)))
            for index in range(AREA_DECADES + 1)
        ],
    )
    charts = [
        histogram(
            "score",
            "Scores",
            score,
            [("labelled", survey.score_labelled), ("discarded", survey.score_empty)],
        ),
        histogram("area", "Areas of masks", area, [("labelled", survey.area)]),
    ]
    if survey.scores:
        charts.append(_precision_recall(survey.scores))
    return charts


def _precision_recall(scores: Scores) -> Chart:
    presence, masks = scores.presence, scores.masks
    return curves(
        "precision-recall",
        "Precision and recall",
        f"Average precision {presence.average_precision:.3f} for presence (is the category in the "
        f"image), {masks.average_precision:.3f} for masks (IoU of 0.5 or more).",
        [
            ("presence", presence.recall, presence.precision),
            ("masks", masks.recall, masks.precision),
        ],
    )


def percent(share: float) -> str:
    """Write a share with two significant digits: 0.012 %, 1.2 %, 12 %."""
    return f"{float(f'{100 * share:.2g}'):g} %"
