"""Turn a unit that an actor has committed into its metrics and its log lines."""

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from pipeline.monitoring import metrics
from pipeline.monitoring.log import log, start_log
from pipeline.monitoring.metrics import record
from pipeline.output.unit import UnitName
from schemas.record.receipt import StageSeconds


@dataclass(frozen=True)
class LabelledUnit:
    """What an actor did of a unit in this run; a retry's earlier rows are not among it."""

    name: UnitName
    images: int
    labels: Sequence[dict[str, Any]]
    rejected: Sequence[dict[str, Any]]
    seconds: StageSeconds
    again: bool  # an earlier try at the unit never came to its end


class UnitWatch:
    """Tells of one actor's units of a job with this output; remembers when the last one ended."""

    def __init__(self, output: str) -> None:
        start_log()
        self._output = output
        self._ended = time.perf_counter()
        self._one_by_one = Lock()

    def end(self, done: LabelledUnit, begun: float) -> None:
        """Tell of a unit that is committed; begun is when the model was free for it."""
        with self._one_by_one:
            now = time.perf_counter()
            unit_s, whole_s = now - begun, now - self._ended
            self._ended = now
        self._record(done, unit_s, 1.0 - min(done.seconds.segment / max(whole_s, 1e-9), 1.0))
        about = {"output": self._output, "unit": str(done.name)}
        for row in done.rejected:
            why = {"image": row["image_id"], "reason": row["reason"], "message": row["message"]}
            log("rejected", about | why, logging.WARNING)
        stages = {stage: round(stage_s, 3) for stage, stage_s in done.seconds.model_dump().items()}
        figures = {"images": done.images, "rejected": len(done.rejected), "again": done.again}
        log("unit", about | figures | {"seconds": round(unit_s, 3), "stages": stages})

    def _record(self, done: LabelledUnit, unit_s: float, idle_share: float) -> None:
        output = self._output
        record(metrics.UNITS, output=output)
        record(
            metrics.IMAGES, done.images - len(done.rejected), output=output, status="with_labels"
        )
        record(metrics.IMAGES, len(done.rejected), output=output, status="rejected")
        for status, rows in Counter(map(_status, done.labels)).items():
            record(metrics.ROWS, rows, output=output, status=status)
        for reason, images in Counter(row["reason"] for row in done.rejected).items():
            record(metrics.REJECTED, images, output=output, reason=reason)
        for stage, stage_s in done.seconds.model_dump().items():
            record(metrics.STAGE_SECONDS, stage_s, output=output, stage=stage)
        record(metrics.UNIT_TIME, unit_s, output=output)
        record(metrics.IDLE_SHARE, idle_share, output=output)
        record(metrics.UNIT_RETRIES, float(done.again), output=output)


def _status(row: Mapping[str, Any]) -> str:
    """Return a row's status; rows of single objects stand beside those of whole categories."""
    return row["status"] if row.get("instance_id") is None else "instance"
