"""Turn people's verdicts on labels into a line for each category: how often the model was right."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from pipeline.report.figures import percent
from schemas.job.reference import Category


class ReviewLine(NamedTuple):
    """What was said of a category's labels; texts, "" where nothing is known."""

    name: str
    reviewed: int
    accepted: int
    corrected: int
    rejected: int
    absent: int
    agreement: str  # the accepted among the reviewed
    median_seconds: str


def review_lines(
    verdicts: Iterable[Mapping[str, Any]], categories: Sequence[Category]
) -> list[ReviewLine]:
    """Return a line for each category with a verdict, then one for all together; none without."""
    said = [row for row in verdicts if row["verdict"] != "withdrawn"]
    own = [(c.name, [row for row in said if row["category_id"] == c.id]) for c in categories]
    named = [(name, rows) for name, rows in own if rows]
    if len(named) > 1:
        named.append(("all", said))
    return [_line(name, rows) for name, rows in named]


def _line(name: str, rows: Sequence[Mapping[str, Any]]) -> ReviewLine:
    counts = Counter(row["verdict"] for row in rows)
    return ReviewLine(
        name=name,
        reviewed=len(rows),
        accepted=counts["accepted"],
        corrected=counts["corrected"],
        rejected=counts["rejected"],
        absent=counts["absent"],
        agreement=percent(counts["accepted"] / len(rows)),
        median_seconds=f"{median(row['seconds'] for row in rows):.1f}",
    )
