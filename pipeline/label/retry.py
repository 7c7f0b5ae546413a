"""Find the images rejected for some reason, and merge their second labels into their units.

A retried unit is committed as its next revision, so that nothing is overwritten and a retry cut
short is resumed by running it, or the job, again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.inputs.shards import Unit
from pipeline.output.committed import read_rejected, read_table
from pipeline.output.unit import UnitName, unit_of
from pipeline.storage.place import Place
from schemas.errors import RejectReason
from schemas.record.commit import Commit, Part

Row = dict[str, Any]


@dataclass(frozen=True)
class Retry:
    """Units to do again, for their images rejected for one of the reasons.

    parts gives each unit's newest part, as committed, by shard and number.
    """

    reasons: frozenset[RejectReason]
    parts: Mapping[tuple[str, int], Part]
    images: int  # to be done again
    rejected: int  # in all, before

    def done(self, units: set[UnitName]) -> dict[str, frozenset[int]]:
        """Return, for each shard with something to retry, the numbers of its other units."""
        shards: dict[str, set[int]] = {shard_id: set() for shard_id, _ in self.parts}
        for unit in units:
            if unit.shard_id in shards and (unit.shard_id, unit.number) not in self.parts:
                shards[unit.shard_id].add(unit.number)
        return {shard_id: frozenset(numbers) for shard_id, numbers in shards.items()}


def find_retry(output: Place, commit: Commit, reasons: frozenset[RejectReason]) -> Retry:
    """Look through a commit's rejected rows. Raises BadStorage."""
    again: dict[tuple[str, int], Part] = {}
    images = 0
    parts = [part for part in commit.parts if part.rejected]
    for part, table in zip(parts, read_rejected(output, parts), strict=True):
        found = sum(reason in reasons for reason in table["reason"].to_pylist())
        if found:
            unit = committed_unit(part)
            again[unit.shard_id, unit.number] = part
            images += found
    return Retry(reasons, again, images, commit.counts.rejected)


def committed_unit(part: Part) -> UnitName:
    """Return the name of a committed part's unit."""
    unit = unit_of(part)
    assert unit is not None, part.path
    return unit


@dataclass(frozen=True)
class EarlierRows:
    """What an earlier revision says of the images that are not to be done again."""

    labels: Sequence[Row]
    rejected: Sequence[Row]

    def merged(
        self, unit: Unit, labels: Sequence[Row], rejected: Sequence[Row]
    ) -> tuple[list[Row], list[Row]]:
        """Return earlier and new rows together, in the order of the unit's images."""
        order = {image.image_id: position for position, image in enumerate(unit.images)}

        def ordered(rows: list[Row]) -> list[Row]:
            return sorted(rows, key=lambda row: order[row["image_id"]])

        return ordered([*self.labels, *labels]), ordered([*self.rejected, *rejected])


def split_unit(output: Place, unit: Unit, part: Part, retry: Retry) -> tuple[Unit, EarlierRows]:
    """Return the part of a unit that is to be done again, and the rows that stay.

    Raises BadStorage where the part is not the one that was committed, or of other images.
    """
    labels = read_table(output.below(part.path), part.sha256).to_pylist()
    rejected: list[Row] = []
    if part.rejected_path is not None:
        rejected_part = output.below(part.rejected_path)
        rejected = read_table(rejected_part, part.rejected_sha256).to_pylist()
    unit.check_same_images({row["image_id"] for row in (*labels, *rejected)})
    again = {row["image_id"] for row in rejected if row["reason"] in retry.reasons}
    images = tuple(image for image in unit.images if image.image_id in again)
    stay = [row for row in rejected if row["image_id"] not in again]
    return Unit(unit.shard_id, unit.number, unit.last, images), EarlierRows(labels, stay)


def count_reasons(output: Place, commit: Commit) -> Counter[str]:
    """Count a commit's rejected images by reason. Raises BadStorage."""
    tables = read_rejected(output, commit.parts)
    return Counter(reason for table in tables for reason in table["reason"].to_pylist())
