"""A unit's rows in an earlier output become rows of this one, joined with those made anew."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipeline.inputs.shards import EncodedImage, Unit
from pipeline.output.committed import with_added_columns
from pipeline.output.earlier import Earlier
from pipeline.storage.place import Place
from pipeline.storage.tables import from_parquet
from schemas.errors import MissingFile, RejectReason
from schemas.record.commit import Part
from schemas.record.row import PLAIN_SCHEMA

Row = dict[str, Any]

OF_BYTES: frozenset[RejectReason] = frozenset({"decode", "animated"})
"""Why images are rejected that are so again wherever they are decoded: of their bytes alone."""


@dataclass(frozen=True)
class TakenRows:
    """A unit's earlier rows by image: of the categories that are kept, and of rejected images."""

    labels: Mapping[str, Sequence[Row]]
    rejected: Mapping[str, Row]

    def joined(self, unit: Unit, new: Sequence[Row], rejected: Sequence[Row]) -> list[Row] | None:
        """Return kept and new rows in the order of the unit's images, and of categories in each.

        new and rejected are what asking for the other categories made of the unit. None where a
        run from nothing would differ: an image that was rejected and is not now, or another size.
        """
        gone = {row["image_id"] for row in rejected}
        made: dict[str, list[Row]] = {}
        for row in new:
            made.setdefault(row["image_id"], []).append(row)
        rows: list[Row] = []
        for image in unit.images:
            if image.image_id in gone:
                continue
            kept, own = self.labels.get(image.image_id), made.get(image.image_id, [])
            if kept is None or any(_displayed(row) != _displayed(kept[0]) for row in own):
                return None
            # Stable: the rows of single objects stay behind that of their category.
            rows += sorted([*kept, *own], key=lambda row: row["category_id"])
        return rows

    def still_rejected(self, unit: Unit) -> list[Row] | None:
        """Return the rejected rows of a unit none of whose images is looked at again.

        None where that is not sure: an image that cannot be read now, or was rejected for what a
        machine, a limit or the model did.
        """
        rows = []
        for image in unit.images:
            row = self.rejected.get(image.image_id)
            if row is None and image.fault is None:
                continue
            if row is None or not _is_still(row, image):
                return None
            rows.append(row)
        return rows


def take_rows(output: Place, earlier: Earlier, unit: Unit) -> TakenRows | None:
    """Read a unit's rows of the categories that are kept, as rows of this job.

    None where the earlier output, whose place is `output`, has no such unit, of other images, or
    what lies there is not what was committed: then all of it is labelled.
    """
    part = earlier.parts.get((unit.shard_id, unit.number))
    tables = None if part is None else _read(output, part)
    if tables is None:
        return None
    labels, rejected = tables
    seen = {(row["image_id"], row["uri"]) for row in (*labels, *rejected)}
    if seen != {(image.image_id, image.uri) for image in unit.images}:
        return None
    kept: dict[str, list[Row]] = {}
    ours = {"job_fingerprint": earlier.fingerprint}
    for row in labels:
        if row["category_id"] not in earlier.kept:
            continue
        # In their order, which the identity does not know; images chose among them where weighed.
        own = list(earlier.references[row["category_id"]])
        if row["reference_weights"] is None and row["references"] != own:
            return None
        kept.setdefault(row["image_id"], []).append({**row, **ours})
    return TakenRows(kept, {row["image_id"]: {**row, **ours} for row in rejected})


def _read(output: Place, part: Part) -> tuple[list[Row], list[Row]] | None:
    labels = _verified(output.below(part.path), part.sha256)
    # Older parts lack columns that a run from nothing would fill.
    if labels is None or not set(PLAIN_SCHEMA.names) <= set(labels.column_names):
        return None
    rejected: list[Row] = []
    if part.rejected_path is not None:
        table = _verified(output.below(part.rejected_path), part.rejected_sha256)
        if table is None:
            return None
        rejected = table.to_pylist()
    return with_added_columns(labels).to_pylist(), rejected


def _verified(place: Place, sha256: str | None) -> pa.Table | None:
    """Return a committed file's rows, None where its bytes are not those committed, or gone."""
    try:
        data = place.read()
    except MissingFile:
        return None
    return from_parquet(data) if hashlib.sha256(data).hexdigest() == sha256 else None


def _is_still(row: Row, image: EncodedImage) -> bool:
    if image.fault is not None:
        return (image.fault.reason, image.fault.message) == (row["reason"], row["message"])
    digest = hashlib.sha256(image.data).hexdigest() if image.data else ""
    return row["reason"] in OF_BYTES and row["bytes_sha256"] == digest


def _displayed(row: Row) -> tuple[int, int, int]:
    return row["height"], row["width"], row["exif_orientation"]
