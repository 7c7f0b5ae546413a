"""Episodes become units, a method's counts on a unit become one file: there, or to be done.

<output>/parts/<episodes>/<method>/<fold>-<unit size>-<unit>.parquet
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from pipeline.episodes.draw import Episode
from pipeline.evaluate.episodes import FoldEpisodes, to_parquet
from pipeline.storage.files import create_once, list_files, read_bytes
from schemas.evaluate import COUNTS_SCHEMA

DIGITS = 12  # of a sha256, in a folder's name: as of reference ids, no collision in one output


@dataclass(frozen=True)
class EvaluationUnit:
    """Some episodes of a fold, those with one target together."""

    fold: int
    name: str
    episodes: tuple[Episode, ...]


@dataclass(frozen=True)
class PartsFolder:
    """Where the parts of one manifest lie."""

    fs: AbstractFileSystem
    folder: str

    def path(self, method: str, unit: str) -> str:
        """Return the path of a part; method is a hash of settings and weights."""
        return f"{self.folder}/{method[:DIGITS]}/{unit}.parquet"

    def done(self, methods: Iterable[str]) -> dict[str, set[str]]:
        """Return the units that each method has parts of: one LIST a method."""
        return {
            method: {
                name.removesuffix(".parquet")
                for name in list_files(self.fs, f"{self.folder}/{method[:DIGITS]}")
            }
            for method in methods
        }

    def write(self, method: str, unit: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Commit a part; one that is there already stays."""
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=COUNTS_SCHEMA)
        create_once(self.fs, self.path(method, unit), to_parquet(table))

    def read(self, method: str, units: Iterable[str]) -> pa.Table:
        """Return a method's rows, in the order of the units."""
        tables = [
            pq.read_table(io.BytesIO(read_bytes(self.fs, self.path(method, unit))))
            for unit in units
        ]
        # A part of an earlier version lacks a column that was added since: null in its rows.
        return pa.concat_tables([COUNTS_SCHEMA.empty_table(), *tables], promote_options="default")


def cut(folds: Sequence[FoldEpisodes], size: int) -> tuple[EvaluationUnit, ...]:
    """Cut folds into units, their episodes in the order of their targets."""
    units = []
    for fold in folds:
        ordered = sorted(fold.episodes, key=lambda e: (e.target_image, e.number))
        units += [
            EvaluationUnit(
                fold.number,
                f"{fold.number}-{size}-{start // size:05d}",
                tuple(ordered[start : start + size]),
            )
            for start in range(0, len(ordered), size)
        ]
    return tuple(units)
