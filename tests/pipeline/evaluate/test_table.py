"""The page of an evaluation: ours beside the papers' rows, and nothing that a name can break."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.evaluate.chart import chart
from pipeline.evaluate.page import page as page_of
from pipeline.evaluate.scores import Drawing, score
from pipeline.evaluate.table import markdown
from schemas.job.evaluate import COUNTS_SCHEMA, EvaluateJob, EvaluateResult
from tests.made.jobs.evaluation import a_job

RESULTS = pa.schema([("method", pa.string()), *COUNTS_SCHEMA])


def _counts(method: str, fold: int, intersection_px: int, **changes: Any) -> dict[str, Any]:
    unsaid = dict.fromkeys(("presence", "contour_f", "probability"))
    row = dict.fromkeys(COUNTS_SCHEMA.names, 0) | unsaid
    return {
        **row,
        "method": method,
        "format": "mask",
        "shots": 1,
        "fold": fold,
        "category_id": fold,
        "negative": False,
        "grid_intersection_px": intersection_px,
        "grid_union_px": 100,
        "union_px": 100,
        **changes,
    }


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    numbered = [row | {"episode": number} for number, row in enumerate(rows)]
    return pa.Table.from_pylist(numbered, schema=RESULTS)


def _page(tmp_path: Path, rows: list[dict[str, Any]], **changes: Any) -> tuple[str, str]:
    dataset = {"type": "folder", "root": "/data/photos"}
    job: EvaluateJob = a_job(tmp_path, dataset, **changes)
    result = EvaluateResult(
        episodes="episodes-0.parquet",
        episodes_sha256="0" * 64,
        methods={},
        random_weights=(),
        too_few=(),
        resamples=20,
        revision=1,
    )
    table = _table(rows)
    scores = score(table, {0: "cat | dog", 1: "<cup>"}, Drawing(20, 0))
    return markdown(job, result, scores), chart(job, scores)


def test_the_papers_rows_stand_beside_ours_with_their_source(tmp_path: Path) -> None:
    page, _ = _page(
        tmp_path,
        [_counts("vrp", 0, 40), _counts("vrp", 1, 60)],
        protocol="coco20i",
        folds=(0, 1),
    )
    assert "| vrp | mask | 1 | 40.0 | 60.0 | 50.0 | this run |" in page
    assert "| VRP-SAM (ResNet-50) | mask | 1 | 48.1 | 55.8 | 53.9 | VRP-SAM, Table 1 |" in page
    assert "| box |" not in page
    assert "all 4 folds" in page


def test_false_masks_are_told_where_negatives_were_asked_for(tmp_path: Path) -> None:
    absent = {"negative": True, "image_px": 1000, "union_px": 30}
    rows = [
        _counts("vrp", 0, 40, score=0.9),
        _counts("vrp", 0, 0, **absent, predicted_px=30, score=0.3),
        _counts("vrp", 0, 0, **absent, predicted_px=10, score=0.95),
    ]
    page, _ = _page(tmp_path, rows, negative_share=0.5)
    told = [cell.split()[0] for cell in _cells(page, "Targets that do not")]
    assert told == ["50.0", "50.0", "50.0", "0.600"]


def test_probabilities_of_presence_are_scored_where_a_job_asks_for_them(tmp_path: Path) -> None:
    said = [(0.92, False), (0.82, False), (0.42, True), (0.32, True), (0.86, True)]
    rows = [_counts("vrp", 0, 40, probability=p, negative=absent) for p, absent in said]
    page, _ = _page(tmp_path, rows, negative_share=0.5, presence=True)
    told = [cell.split()[0] for cell in _cells(page, "Whether the object is there")]
    # One decision is wrong, the second surest of five.
    assert told == ["83.3", "33.3", "30.0", "50.0", "25.0", "20.0"]


def test_decisions_are_told_with_what_decided_them(tmp_path: Path) -> None:
    absent = {"negative": True, "predicted_px": 0}
    rows = [_counts("vrp", 0, 40, predicted_px=40), _counts("vrp", 0, 0), _counts("vrp", 0, 0)]
    page, _ = _page(tmp_path, [*rows, _counts("vrp", 0, 0, **absent)], absent="swapped")
    section = "Decisions of presence, one category a target"
    assert [cell.split()[0] for cell in _cells(page, section)] == ["50.0", "50.0"]
    assert "by its mask: a method that finds none leaves it empty" in page
    assert "| 0 | cat \\| dog | 4 | 50.0 |" in page


def test_the_html_page_has_the_risk_of_the_surest_decisions(tmp_path: Path) -> None:
    said = [(0.92, False), (0.82, False), (0.42, True), (0.86, True)]
    rows = [_counts("vrp", 0, 40, probability=p, negative=absent) for p, absent in said]
    dataset = {"type": "folder", "root": "/data/photos"}
    job = a_job(tmp_path, dataset, negative_share=0.5, presence=True)
    scores = score(_table(rows), {0: "<cup>"}, Drawing(20, 0))
    html = page_of(job, scores)
    assert "<polyline" in html
    assert "calibration error" in html
    assert html.count("<title>Wrong decisions of presence by coverage</title>") == 1


def _cells(page: str, section: str) -> list[str]:
    line = next(
        line for line in page.partition(f"## {section}")[2].splitlines() if "| vrp " in line
    )
    return [cell.strip() for cell in line.strip("|").split("|")][3:]


def _interval(*counts: tuple[int, int]) -> float | None:
    """The width of mIoU's interval, of (category, intersection) in unions of 100."""
    rows = [_counts("vrp", 0, px, category_id=category) for category, px in counts]
    table = score(_table(rows), dict.fromkeys(range(9), "cat"), Drawing(1000, 0))
    (row,) = [
        row
        for row in table.to_pylist()
        if (row["fold"], row["category"], row["metric"]) == (None, None, "miou_grid")
    ]
    return None if row["low"] is None else row["high"] - row["low"]


def test_an_episode_that_is_alone_has_no_interval() -> None:
    assert _interval((0, 40)) is None
    assert _interval((0, 40), (0, 60), (1, 50)) is None


def test_categories_of_one_episode_are_redrawn_together() -> None:
    alone = _interval(*((category, 10 * category) for category in range(9)))
    assert alone is not None
    assert 0.2 < alone < 0.6


def test_names_of_a_data_set_break_neither_the_page_nor_the_chart(tmp_path: Path) -> None:
    rows = [_counts("vrp", 0, 40), _counts("vrp", 1, 60)]
    page, drawn = _page(tmp_path, rows, protocol="coco20i", folds=(0, 1))
    assert "cat \\| dog" in page
    assert ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314  # our own bytes
