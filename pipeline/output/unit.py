"""Write one unit's rows: rejected rows first, then the labels whose presence is the commit.

The labels part is one conditional PUT, so of several tries at a unit exactly one counts. Its footer
names the rejected part that belongs to it; a rejected part that no footer names does not exist.
"""

import hashlib
import io
import re
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.output.paths import LABELS, labels_part, rejected_part
from pipeline.storage.place import Place
from pipeline.storage.tables import to_parquet
from schemas.errors import BadStorage
from schemas.job.storage import Storage
from schemas.record.commit import Part
from schemas.record.row import ASKED_COLUMNS, REJECTED_SCHEMA, schema_with

FOOTER_KEY = b"vrp-label"
READ_THREADS = 16  # GETs of about 100 kB each: latency, not bandwidth, is what they wait for
_MEND = "delete the file and run the job again, which does its unit anew"
PART_NAME = re.compile(
    r"(?P<shard>[0-9a-f]{16})-(?P<unit>\d{5,})(?P<last>-last)?(-r(?P<revision>[1-9]\d*))?\.parquet"
)


@dataclass(frozen=True)
class UnitName:
    """A unit's place in its shard, which is also its part's name.

    Parts are never overwritten: a retry of a unit's rejected images writes its next revision.
    """

    shard_id: str
    number: int
    last: bool
    revision: int = 0

    def __str__(self) -> str:
        end = f"{'-last' if self.last else ''}{f'-r{self.revision}' if self.revision else ''}"
        return f"{self.shard_id}-{self.number:05d}{end}"

    @property
    def path(self) -> str:
        """The labels part, below the output."""
        return labels_part(self)


def parse_unit(name: str) -> UnitName | None:
    """Return the unit of a file in labels/, None for a file that is no part."""
    m = PART_NAME.fullmatch(name)
    if m is None:
        return None
    return UnitName(m["shard"], int(m["unit"]), m["last"] is not None, int(m["revision"] or 0))


def unit_of(part: Part) -> UnitName | None:
    """Return the unit whose labels part this is; None for a path that is none of ours."""
    return parse_unit(part.path.removeprefix(f"{LABELS}/"))


def list_units(output: Place, shard_id: str = "") -> set[UnitName]:
    """Return the units committed so far, each at its newest revision; of one shard if it is named.

    One LIST of the output, no other state.
    """
    return set(list_sizes(output, shard_id))


def list_sizes(output: Place, shard_id: str = "") -> dict[UnitName, int]:
    """Return the units as `list_units`, each with the bytes of its part."""
    newest: dict[tuple[str, int], tuple[UnitName, int]] = {}
    for name, size in output.below(LABELS).files(shard_id).items():
        if unit := parse_unit(name):
            key = (unit.shard_id, unit.number)
            if key not in newest or newest[key][0].revision < unit.revision:
                newest[key] = unit, size
    return dict(newest.values())


def write_unit(
    output: Place,
    unit: UnitName,
    labels: list[dict[str, Any]],
    rejected: list[dict[str, Any]],
    *,
    images: int,
) -> Part:
    """Commit a unit of `images` images; return the part that counts: ours, or an earlier try's."""
    accounted = len({row["image_id"] for row in labels}) + len(rejected)
    assert accounted == images, f"{unit}: {images} images, {accounted} in its rows"
    rejected_path = rejected_sha256 = None
    if rejected:
        data = to_parquet(pa.Table.from_pylist(rejected, schema=REJECTED_SCHEMA))
        rejected_sha256 = hashlib.sha256(data).hexdigest()
        rejected_path = rejected_part(unit, rejected_sha256)
        output.below(rejected_path).create(data)
    whole = [row for row in labels if row.get("instance_id") is None]
    labelled = sum(row["status"] == "labelled" for row in whole)
    part = Part(
        path=unit.path,
        sha256="",  # of the file, so it cannot stand inside it
        bytes=0,
        images=images,
        rows=len(whole),
        labelled=labelled,
        empty=len(whole) - labelled,
        rejected=len(rejected),
        instances=len(labels) - len(whole),
        review=sum(row.get("decision") == "review" for row in whole),
        rejected_path=rejected_path,
        rejected_sha256=rejected_sha256,
    )
    asked = [name for name in ASKED_COLUMNS if any(row.get(name) is not None for row in labels)]
    schema = schema_with(asked).with_metadata({FOOTER_KEY: part.model_dump_json().encode()})
    data = to_parquet(pa.Table.from_pylist(labels, schema=schema))
    if output.below(part.path).create(data):
        return _with_digest(part, data)
    return read_part(output, part.path)


def read_part(output: Place, path: str) -> Part:
    """Return what a committed part says of itself, with the hash of what is on storage.

    Raises BadStorage when the file is not a part or its rows are not as many as it says.
    """
    place = output.below(path)
    return _part_in(place, place.read())


def read_image_ids(output: Place, path: str) -> frozenset[str]:
    """Return the ids of a committed part's images, labelled and rejected. Raises BadStorage."""
    place = output.below(path)
    data = place.read()
    part = _part_in(place, data)
    ids = _image_ids(place, data)
    if part.rejected_path is not None:
        rejected = output.below(part.rejected_path)
        ids |= _image_ids(rejected, rejected.read())
    return ids


@dataclass(frozen=True)
class CommittedIds:
    """Tells, in whichever process, what images the committed units of an output's shards hold."""

    uri: str
    storage: Storage

    def __call__(self, shard_id: str, numbers: Collection[int]) -> Mapping[int, frozenset[str]]:
        """Return the image ids of those of a shard's units, by number. Raises BadStorage."""
        output = Place.open(self.uri, self.storage)
        units = [unit for unit in list_units(output, shard_id) if unit.number in numbers]
        with ThreadPoolExecutor(READ_THREADS) as pool:
            ids = pool.map(lambda unit: read_image_ids(output, unit.path), units)
            return {unit.number: found for unit, found in zip(units, ids, strict=True)}


def _image_ids(place: Place, data: bytes) -> frozenset[str]:
    try:
        table = pq.read_table(io.BytesIO(data), columns=["image_id"])
    except (pa.ArrowInvalid, OSError) as error:
        raise _unreadable(place, error) from error
    return frozenset(table["image_id"].to_pylist())


def _part_in(place: Place, data: bytes) -> Part:
    try:
        footer = pq.read_metadata(io.BytesIO(data))
        part = Part.model_validate_json((footer.metadata or {})[FOOTER_KEY])
    except (pa.ArrowInvalid, KeyError, ValueError) as error:
        raise _unreadable(place, error) from error
    if footer.num_rows != part.rows + part.instances:
        raise BadStorage(
            "a part has lost rows",
            place.uri,
            f"{footer.num_rows}",
            f"{part.rows + part.instances} rows; {_MEND}",
        )
    return _with_digest(part, data)


def _unreadable(place: Place, error: Exception) -> BadStorage:
    return BadStorage("a part cannot be read", place.uri, repr(error), f"a labels part; {_MEND}")


def _with_digest(part: Part, data: bytes) -> Part:
    digest = hashlib.sha256(data).hexdigest()
    return part.model_copy(update={"sha256": digest, "bytes": len(data)})
