"""Episodes become units, a method's counts on a unit become one file: there, or to be done."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Self

import pyarrow as pa

from pipeline.episodes.draw import Episode
from pipeline.evaluate.episodes import FoldEpisodes, by_number
from pipeline.evaluate.paths import DIGITS, parts_folder
from pipeline.storage.place import Place
from pipeline.storage.tables import from_parquet, to_parquet
from schemas.job.evaluate import COUNTS_SCHEMA


@dataclass(frozen=True)
class EvaluationUnit:
    """Some episodes of a fold, those with one target together."""

    fold: int
    name: str
    episodes: tuple[Episode, ...]
    share: float = 1.0
    """Of all that the fold asks for, what targets show."""


@dataclass(frozen=True)
class PartsFolder:
    """Where the parts of one manifest lie."""

    folder: Place

    @classmethod
    def of(cls, output: Place, episodes_sha256: str) -> Self:
        """Return the folder of a manifest's parts in an output."""
        return cls(output.below(parts_folder(episodes_sha256)))

    def part(self, method: str, unit: str) -> Place:
        """Return the place of a part; method is a hash of settings and weights."""
        return self.folder.below(f"{method[:DIGITS]}/{unit}.parquet")

    def done(self, methods: Iterable[str]) -> dict[str, set[str]]:
        """Return the units that each method has parts of: one LIST a method."""
        return {
            method: {
                name.removesuffix(".parquet") for name in self.folder.below(method[:DIGITS]).files()
            }
            for method in methods
        }

    def write(self, method: str, unit: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Commit a part; one that is there already stays."""
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=COUNTS_SCHEMA)
        self.part(method, unit).create(to_parquet(table))

    def read(self, method: str, units: Iterable[str]) -> pa.Table:
        """Return a method's rows, in the order of the units."""
        tables = [from_parquet(self.part(method, unit).read()) for unit in units]
        # A part of an earlier version lacks a column that was added since: null in its rows.
        return pa.concat_tables([COUNTS_SCHEMA.empty_table(), *tables], promote_options="default")


def cut(folds: Sequence[FoldEpisodes], size: int) -> tuple[EvaluationUnit, ...]:
    """Cut folds into units, their episodes in the order of their targets."""
    units = []
    for fold in folds:
        ordered = sorted(fold.episodes, key=lambda e: (e.target_image, e.number))
        groups = tuple(by_number(ordered))
        units += [
            EvaluationUnit(
                fold.number,
                f"{fold.number}-{size}-{start // size:05d}",
                tuple(chain.from_iterable(groups[start : start + size])),
                fold.share,
            )
            for start in range(0, len(groups), size)
        ]
    return tuple(units)
