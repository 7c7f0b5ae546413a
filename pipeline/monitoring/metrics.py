"""What is counted while jobs run becomes Ray's metrics, which every node serves to Prometheus.

A node's address for Prometheus is its MetricsExportPort in `ray.nodes()`. Ray collects from its
processes every 10 s, so what a process counted in its last seconds may be missing: metrics are for
watching, the commit is the account. Without Ray counting does nothing. One call takes 3 µs.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ray.util.metrics import Counter, Gauge, Histogram

# Seconds of a unit of 256 images: from a GPU's few to a slow CPU's many.
UNIT_SECONDS = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0]


@dataclass(frozen=True)
class Meter:
    """One metric: its name in code, its kind, its labels, and what it says."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    tags: tuple[str, ...]
    says: str

    @property
    def exported(self) -> tuple[str, ...]:
        """Its names at a node's /metrics; Ray sets its own prefix and Prometheus's suffixes."""
        match self.kind:
            case "counter":
                return (f"ray_{self.name}_total",)
            case "gauge":
                return (f"ray_{self.name}",)
            case "histogram":
                # No _sum: Ray sums the middles of the buckets.
                return (f"ray_{self.name}_bucket", f"ray_{self.name}_count")


# `output` is the URI of a job's output, which no two jobs share. Not `job`: that label is
# Prometheus's own.
UNITS = Meter("vrp_units", "counter", ("output",), "Units committed.")
IMAGES = Meter("vrp_images", "counter", ("output", "status"), "Images: with_labels or rejected.")
ROWS = Meter(
    "vrp_rows", "counter", ("output", "status"), "Label rows: labelled, empty, or of one instance."
)
REJECTED = Meter("vrp_rejected", "counter", ("output", "reason"), "Rejected images by reason.")
STAGE_SECONDS = Meter(
    "vrp_stage_seconds",
    "counter",
    ("output", "stage"),
    "Seconds in decode and encode (added up over threads), segment and write (wall).",
)
UNIT_TIME = Meter("vrp_unit_seconds", "histogram", ("output",), "Wall time of a unit in its actor.")
IDLE_SHARE = Meter(
    "vrp_idle_share",
    "gauge",
    ("output",),
    "Of an actor's time since its last unit, the share in which its model had no batch.",
)
UNIT_RETRIES = Meter(
    "vrp_unit_retries", "counter", ("output",), "Units done again: their process had died, or hung."
)
STORAGE_ERRORS = Meter(
    "vrp_storage_errors", "counter", ("code",), "Requests that S3 failed, by its code."
)
STORAGE_RETRIES = Meter("vrp_storage_retries", "counter", (), "Requests to S3 sent again.")
TRAIN_STEP = Meter("vrp_train_step", "gauge", ("output", "fold"), "Steps of a fold done.")
TRAIN_LOSS = Meter("vrp_train_loss", "gauge", ("output", "fold"), "Mean loss of the last steps.")
TRAIN_SPEED = Meter(
    "vrp_train_episodes_per_s", "gauge", ("output", "fold"), "Episodes learnt from in a second."
)
TRAIN_WORKERS = Meter("vrp_train_workers", "gauge", ("output", "fold"), "Workers of a fold.")
TRAIN_MIOU = Meter("vrp_train_miou", "gauge", ("output", "fold"), "mIoU on held-out images.")

METERS = (
    UNITS,
    IMAGES,
    ROWS,
    REJECTED,
    STAGE_SECONDS,
    UNIT_TIME,
    IDLE_SHARE,
    UNIT_RETRIES,
    STORAGE_ERRORS,
    STORAGE_RETRIES,
    TRAIN_STEP,
    TRAIN_LOSS,
    TRAIN_SPEED,
    TRAIN_WORKERS,
    TRAIN_MIOU,
)


def record(meter: Meter, value: float = 1.0, **tags: str) -> None:
    """Add to a counter, set a gauge, or observe in a histogram."""
    if "ray" not in sys.modules:  # nobody collects, and importing Ray takes seconds
        return
    from ray.util.metrics import Counter, Gauge, Histogram  # noqa: PLC0415

    instrument = _instrument(meter)
    match instrument:
        case Counter():
            if value > 0:  # Ray refuses to add nothing
                instrument.inc(value, tags)
        case Gauge():
            instrument.set(value, tags)
        case Histogram():
            instrument.observe(max(value, 1e-9), tags)  # Ray refuses an observation of nothing


@cache
def _instrument(meter: Meter) -> Counter | Gauge | Histogram:
    from ray.util.metrics import Counter, Gauge, Histogram  # noqa: PLC0415

    match meter.kind:
        case "counter":
            return Counter(meter.name, meter.says, meter.tags)
        case "gauge":
            return Gauge(meter.name, meter.says, meter.tags)
        case "histogram":
            return Histogram(meter.name, meter.says, UNIT_SECONDS, meter.tags)
