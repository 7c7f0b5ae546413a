"""Scores become one HTML page that needs nothing else: the main figures, and the charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.evaluate.chart import chart, references_of
from pipeline.evaluate.metrics import ACCURACY
from pipeline.evaluate.risk_chart import risk_chart
from pipeline.evaluate.table import per_cent
from pipeline.report.template import filled
from schemas.job.evaluate import EvaluateJob

TEMPLATE = Path(__file__).with_name("page.html.j2")
MASKS = {
    "mIoU, 512 grid": "miou_grid",
    "mIoU, own resolution": "miou",
    "FB-IoU, 512 grid": "fb_iou_grid",
    "boundary IoU": "boundary_iou",
}
ABSENT = {
    "false masks": "false_mask_rate",
    "AUROC": "presence_auroc",
    "false masks at 95 % recall": "false_masks_at_95_recall",
    "calibration error": "calibration_error",
    "mean risk": "mean_risk",
    "exact ratio": "exact_ratio",
    "accuracy": ACCURACY,
}
KEPT = {"mIoU of what is kept": "miou_kept"}


@dataclass(frozen=True)
class TableLine:
    """A method and how its references were given, and its figures as they are printed."""

    method: str
    given: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class PageTable:
    """A table of the page: its heads, without those of method and references, and its lines."""

    title: str
    about: str
    heads: tuple[str, ...]
    lines: tuple[TableLine, ...]


def page(job: EvaluateJob, scores: pa.Table) -> str:
    """Return the page; scores are SCORES_SCHEMA. Names are escaped."""
    rows = [row for row in scores.to_pylist() if row["fold"] is None and row["category"] is None]
    tables = [_table("Masks", "Of targets that show the category.", MASKS, rows)]
    if job.absent != "none":
        about = (
            "How targets that show the category are told from others, by the probability of "
            "presence where the job asks for it. Calibration error: how far said and true shares "
            "lie apart. Mean risk: wrong decisions, over the surest tenth to all of them. Exact "
            "ratio: targets of which every decision is right."
        )
        heads = ABSENT | KEPT if job.absent == "partly" else ABSENT
        tables.append(_table("Is the object there?", about, heads, rows))
    return filled(
        TEMPLATE,
        protocol=job.protocol,
        random_weights=job.random_weights,
        tables=tables,
        bars=chart(job, scores),
        curves=risk_chart(job, scores) if job.presence else "",
    )


def _table(
    title: str, about: str, metrics: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> PageTable:
    by_line: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        by_line.setdefault((row["method"], references_of(row)), {})[row["metric"]] = row
    lines = [
        TableLine(method, given, tuple(per_cent(of_line[metric]) for metric in metrics.values()))
        for (method, given), of_line in by_line.items()
    ]
    return PageTable(title, about, tuple(metrics), tuple(lines))
