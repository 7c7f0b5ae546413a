"""Rows of a training run become Parquet parts and TensorBoard files, one of each per checkpoint.

Parts are named by their first step, so that a run which goes on from a checkpoint writes the same
names over: no step is there twice, none is missing.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch.utils.tensorboard.writer import SummaryWriter

from pipeline.storage.place import Place
from pipeline.storage.tables import from_parquet, to_parquet
from pipeline.train.paths import ALL_METRICS, METRICS, metrics_part, tensorboard_file

METRICS_SCHEMA = pa.schema(
    [
        ("step", pa.int64()),  # from 0
        ("epoch", pa.int32()),
        ("loss", pa.float64()),  # mean over the step's episodes, before the step
        ("learning_rate", pa.float64()),
        ("episodes_per_s", pa.float64()),  # over the last steps; differs from run to run
        ("workers", pa.int32()),
        ("held_out_miou", pa.float64()),  # null but where a checkpoint was judged
    ]
)
SCALARS = ("loss", "learning_rate", "episodes_per_s", "held_out_miou")


def write_metrics(folder: Place, rows: Sequence[dict[str, Any]]) -> None:
    """Write the rows since the last checkpoint as a part and as a TensorBoard file."""
    if not rows:
        return
    first = int(rows[0]["step"])
    folder.below(metrics_part(first)).replace(_table_bytes(rows))
    folder.below(tensorboard_file(first)).replace(_to_events(rows))


def read_metrics(folder: Place) -> list[dict[str, Any]]:
    """Return a run's rows by step; of two parts that hold a step, the later one counts.

    A hidden file is what a kill left of a part.
    """
    rows: dict[int, dict[str, Any]] = {}
    for name in sorted(n for n in folder.below(METRICS).files() if not n.startswith(".")):
        part = from_parquet(folder.below(f"{METRICS}/{name}").read())
        rows |= {row["step"]: row for row in part.to_pylist()}
    return [rows[step] for step in sorted(rows)]


def merge_metrics(folder: Place) -> list[dict[str, Any]]:
    """Write a finished run's rows as one metrics.parquet and return them."""
    rows = read_metrics(folder)
    folder.below(ALL_METRICS).replace(_table_bytes(rows))
    return rows


def _table_bytes(rows: Sequence[dict[str, Any]]) -> bytes:
    return to_parquet(pa.Table.from_pylist(list(rows), schema=METRICS_SCHEMA))


def _to_events(rows: Sequence[dict[str, Any]]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            for row in rows:
                for name in SCALARS:
                    if row[name] is not None:
                        writer.add_scalar(name, row[name], row["step"])
        (written,) = Path(folder).iterdir()
        return written.read_bytes()
