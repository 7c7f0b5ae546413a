"""What watching shows: metrics that exist, and log lines that name units and images, no secrets."""

import io
import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.label.monitoring import LabelledUnit, UnitWatch
from pipeline.monitoring import metrics
from pipeline.monitoring.log import JsonLines
from pipeline.monitoring.metrics import METERS
from pipeline.output.unit import UnitName
from pipeline.train.monitoring import watch_training
from schemas.job.train import TrainProgress
from schemas.record.receipt import StageSeconds

DASHBOARD = Path(__file__).parents[3] / "examples" / "grafana.json"
OUTPUT = "s3://bucket/labels"


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def names(expression: str) -> set[str]:
    return set(re.findall(r"\bray_\w+", expression))


def test_the_dashboard_asks_for_all_metrics_there_are_and_for_no_other() -> None:
    asked = set[str]().union(*map(names, expressions()))
    assert asked <= {name for meter in METERS for name in meter.exported}
    assert all(asked & set(meter.exported) for meter in METERS)


def test_the_dashboard_groups_and_selects_by_labels_that_its_metrics_have() -> None:
    for expression in expressions():
        meters = [meter for meter in METERS if names(expression) & set(meter.exported)]
        grouped = re.findall(r"\bby \(([^)]*)\)", expression)
        used = {label for group in grouped for label in re.split(r", *", group)}
        used |= set(re.findall(r"(\w+)=~?\"", expression))
        for meter in meters:
            own = {"le"} if meter.kind == "histogram" else set()
            assert used <= set(meter.tags) | own, expression


def test_no_two_metrics_share_a_name() -> None:
    every = [name for meter in METERS for name in meter.exported]
    assert len(every) == len(set(every))


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What the log writes, in this process, which no Ray runs in."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines({"node": "n1"}))
    log = logging.getLogger("vrp")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield written
    log.removeHandler(handler)
    log.setLevel(level)


def parsed(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def a_unit() -> LabelledUnit:
    label = {"image_id": "a.jpg", "status": "labelled", "rle_counts": "a long text"}
    rejected = {"image_id": "b.jpg", "reason": "decode", "message": 'cut "off"\nat 3'}
    seconds = StageSeconds(decode=2.0, segment=0.0, encode=0.5, write=0.25)
    return LabelledUnit(UnitName("0" * 16, 7, True), 2, [label], [rejected], seconds, again=True)


def test_a_unit_is_one_line_and_each_image_it_rejected_another(lines: io.StringIO) -> None:
    UnitWatch(OUTPUT).end(a_unit(), time.perf_counter())
    rejected, unit = parsed(lines)
    assert rejected["output"] == unit["output"] == OUTPUT
    assert rejected["unit"] == unit["unit"] == f"{'0' * 16}-00007-last"
    assert unit["node"] == "n1"
    assert (rejected["event"], rejected["level"]) == ("rejected", "WARNING")
    assert (rejected["image"], rejected["reason"]) == ("b.jpg", "decode")
    assert rejected["message"] == 'cut "off"\nat 3'
    assert (unit["event"], unit["images"], unit["rejected"], unit["again"]) == ("unit", 2, 1, True)
    assert unit["stages"] == {"decode": 2.0, "segment": 0.0, "encode": 0.5, "write": 0.25}


def test_a_unit_counts_its_images_rows_reasons_and_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: dict[tuple[str, ...], float] = {}

    def keep(meter: metrics.Meter, value: float = 1.0, **tags: str) -> None:
        assert set(tags) == set(meter.tags)
        counted[meter.name, *(tags[tag] for tag in meter.tags if tag != "output")] = value

    monkeypatch.setattr("pipeline.label.monitoring.record", keep)
    UnitWatch(OUTPUT).end(a_unit(), time.perf_counter())
    assert counted["vrp_units",] == 1
    assert counted["vrp_images", "with_labels"] == counted["vrp_images", "rejected"] == 1
    assert counted["vrp_rows", "labelled"] == counted["vrp_rejected", "decode"] == 1
    assert counted["vrp_stage_seconds", "decode"] == 2.0
    assert counted["vrp_unit_retries",] == 1
    assert counted["vrp_idle_share",] == 1.0  # its model had nothing to do


def test_every_metric_can_be_recorded_where_no_ray_runs() -> None:
    for meter in METERS:
        metrics.record(meter, 1.0, **dict.fromkeys(meter.tags, "x"))
        metrics.record(meter, 0.0, **dict.fromkeys(meter.tags, "x"))


def test_training_tells_of_its_steps(lines: io.StringIO) -> None:
    progress = TrainProgress(
        fold=2,
        step=10,
        steps=20,
        loss=0.5,
        learning_rate=1e-4,
        episodes_per_s=3.0,
        eta_s=4.0,
        workers=2,
    )
    watch_training(OUTPUT, progress)
    (line,) = parsed(lines)
    assert (line["event"], line["output"], line["fold"]) == ("steps", OUTPUT, 2)
    assert (line["step"], line["loss"]) == (10, 0.5)
