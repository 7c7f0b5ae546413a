"""Write reviewers' verdicts beside a commit, a new file for each batch, and read which count.

A file is created under a condition and never changed, so reviewers at work at once, on any number
of machines, lose nothing of each other's. Of several verdicts on a label the newest counts.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from pipeline.output.paths import REVIEWS, review_file
from pipeline.storage.place import Place
from pipeline.storage.tables import from_parquet, to_parquet
from schemas.errors import BadInput, BadStorage
from schemas.record.row import VERDICT_SCHEMA

READ_THREADS = 16  # files of a few kB: they wait for storage
REVIEWER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
_FILE = re.compile(rf"({REVIEWER.pattern})-(\d{{6}})\.parquet")

Key = tuple[str, int]
"""An image id and a category id."""

Row = Mapping[str, Any]
"""A row of VERDICT_SCHEMA."""


@dataclass
class Verdicts:
    """All verdicts of an output that were read so far; those that count, by label."""

    output: Place
    fingerprint: str  # of the commit: verdicts on other labels, once here, do not count
    newest: dict[Key, Row] = field(default_factory=dict)
    _read: set[str] = field(default_factory=set)
    _next: dict[str, int] = field(default_factory=dict)  # a reviewer's next file

    def refresh(self) -> list[Row]:
        """Read the files that were not read before; return the rows that now count.

        Raises BadStorage for a file that holds no verdicts.
        """
        folder = self.output.below(REVIEWS)
        names = [name for name in folder.files(deep=False) if _FILE.fullmatch(name)]
        new = [name for name in names if name not in self._read]
        with ThreadPoolExecutor(READ_THREADS) as pool:
            tables = list(pool.map(lambda name: _read_file(folder.below(name)), new))
        self._read.update(new)
        return self.take(row for table in tables for row in table.to_pylist())

    def take(self, rows: Iterable[Row]) -> list[Row]:
        """Let rows count that are newer than what is known; return them."""
        changed: dict[Key, Row] = {}
        for row in rows:
            if row["job_fingerprint"] != self.fingerprint:
                continue
            key = row["image_id"], row["category_id"]
            known = self.newest.get(key)
            if known is None or _order(known) < _order(row):
                self.newest[key] = changed[key] = row
        return list(changed.values())

    def write(self, reviewer: str, rows: Sequence[Row]) -> list[Row]:
        """Write one batch of one reviewer; once this returns it is on storage for good.

        Returns the rows that now count. Raises BadInput for a reviewer's name that makes no file
        name, BadStorage.
        """
        check_reviewer(reviewer)
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=VERDICT_SCHEMA)
        data = to_parquet(table)
        number = self._next.get(reviewer, 0)
        if not number:
            names = self.output.below(REVIEWS).files(f"{reviewer}-", deep=False)
            found = [match for name in names if (match := _FILE.fullmatch(name))]
            number = max((int(m[2]) + 1 for m in found if m[1] == reviewer), default=0)
        while not self.output.below(review_file(reviewer, number)).create(data):
            number += 1  # the same person in another studio was faster
        self._next[reviewer] = number + 1
        return self.take(table.to_pylist())


def read_verdicts(output: Place, fingerprint: str) -> Mapping[Key, Row]:
    """Return the verdicts that count, by label of the commit. Raises BadStorage."""
    verdicts = Verdicts(output, fingerprint)
    verdicts.refresh()
    return verdicts.newest


def check_reviewer(name: str) -> None:
    """Raise BadInput for a reviewer's name that makes no file name."""
    if not REVIEWER.fullmatch(name):
        raise BadInput(
            "a reviewer's name that makes no file name",
            "reviewer",
            repr(name[:60]),
            "1 to 40 letters, digits, dots, dashes or underscores, a letter or digit first",
        )


def _order(row: Row) -> tuple[Any, str]:
    # Two at the same microsecond: everybody who reads them is to choose the same one.
    return row["at"], row["reviewer"]


def _read_file(place: Place) -> pa.Table:
    try:
        table = from_parquet(place.read())
        return table.select(VERDICT_SCHEMA.names).cast(VERDICT_SCHEMA)
    except (pa.ArrowInvalid, KeyError) as error:
        raise BadStorage(
            "a file that holds no verdicts",
            place.uri,
            str(error).partition("\n")[0],
            "a Parquet file that vrp studio wrote; move others away",
        ) from error
