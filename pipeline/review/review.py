"""A committed output as reviewers see it: labels by number, queues of them, verdicts on them."""

import io
import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pycocotools import mask as coco_mask
from pydantic import Field

from pipeline.masks.runs import encode_rle, run_lengths
from pipeline.output.committed import read_committed, read_labels
from pipeline.output.verdicts import Key, Row, Verdicts
from pipeline.report.pictures import colour_of
from pipeline.review.drawn_mask import drawn_mask
from pipeline.review.index import CODES, index_labels
from pipeline.review.pictures import Pictures, with_masks
from pipeline.review.queue import Wanted, make_queue
from pipeline.storage.place import Place
from schemas.errors import BadInput
from schemas.job.compute import Limits
from schemas.job.source import Source
from schemas.job.storage import Storage
from schemas.record.verdict import Verdict
from schemas.spec import Spec

PARTS_KEPT = 16  # tables of some MB each
QUEUES_KEPT = 16  # of 8 bytes a label
NEAR = timedelta(seconds=2)
"""Requests differ by as much in how long they take: verdicts said within it count as they come."""
SHOWN = ("image_id", "category_id", "category", "status", "score", "stability", "presence",
         "area_px", "height", "width", "box_xywh")  # fmt: skip


class Unknown(BadInput):
    """A label or a queue that there is not, or no longer."""


class Said(Spec):
    """A verdict as the page sends it."""

    image_id: str = Field(max_length=10_000)
    category_id: int = Field(ge=0, lt=2**31)
    verdict: Verdict
    seconds: float = Field(default=0, ge=0, lt=1e6)
    runs: tuple[int, ...] = Field(
        default=(), description="Of a corrected mask: run lengths down the columns, 0 first."
    )
    seconds_ago: float = Field(
        default=0, ge=0, le=1e9, description="When it was said, of one that comes late."
    )


class Review:
    """An open output; its methods may be called by many threads."""

    def __init__(
        self,
        output_uri: str,
        storage: Storage,
        source: Source | None = None,
        limits: Limits | None = None,
    ) -> None:
        """source and limits are the job's, where it is at hand.

        Raises BadStorage: no commit, damaged parts, files that hold no verdicts.
        """
        self.uri = output_uri
        self.output = Place.open(output_uri, storage)
        self.commit, self.identity = read_committed(self.output)
        self.index = index_labels(read_labels(self.output, self.commit), self.commit.fingerprint)
        self.verdicts = Verdicts(self.output, self.commit.fingerprint)
        self.pictures = Pictures(storage, source, limits or Limits())
        self._part = lru_cache(PARTS_KEPT)(self._read_part)
        self._queues: OrderedDict[int, np.ndarray] = OrderedDict()
        self._queues_made = 0
        self._lock = threading.Lock()
        self._count(self.verdicts.refresh())

    def queue(self, wanted: Wanted) -> tuple[int, int]:
        """Make a queue, with what others have said by now; return its number and its length."""
        with self._lock:
            self._count(self.verdicts.refresh())
            labels = make_queue(self.index, wanted)
            self._queues_made += 1
            self._queues[self._queues_made] = labels
            if len(self._queues) > QUEUES_KEPT:
                self._queues.popitem(last=False)
            return self._queues_made, len(labels)

    def labels(self, queue: int, start: int, count: int) -> list[dict[str, Any]]:
        """Return some labels of a queue. Raises Unknown for a queue that is no longer kept."""
        with self._lock:
            if queue not in self._queues:
                raise Unknown("a queue that is not kept", self.uri, f"{queue}", "a new queue")
            labels = self._queues[queue][start : start + count].tolist()
        # Part by part: in a random order neighbours hardly ever share one.
        by_part = sorted(labels, key=lambda label: self.index.part_N[label])
        shown = {label: self._shown(label) for label in by_part}
        return [shown[label] for label in labels]

    def row(self, label: int) -> dict[str, Any]:
        """Return a label's row (LABEL_SCHEMA). Raises Unknown for a number that is none."""
        if not 0 <= label < len(self.index):
            raise Unknown("no such label", self.uri, f"{label}", f"0 to {len(self.index) - 1}")
        table = self._part(int(self.index.part_N[label]))
        return table.slice(int(self.index.row_N[label]), 1).to_pylist()[0]

    def verdict(self, label: int) -> Verdict | None:
        """Return the verdict that counts, None where there is none or it was taken back."""
        return _counting(self._said(self.row(label)))

    def mask(self, label: int) -> dict[str, Any]:
        """Return the mask that counts, as made or corrected: its size and run lengths."""
        rle = self._rle(label)
        return {"size": rle["size"], "runs": run_lengths(rle["counts"])}

    def counting_mask(self, label: int) -> np.ndarray:
        """Return the mask that counts, uint8 0/1 [H, W]."""
        return coco_mask.decode(self._rle(label))

    def shown_in(self, image_id: str) -> list[str]:
        """Return the categories that an image may show: those with a mask that counts."""
        shown = []
        for category in self.commit.categories:
            for label in self.index.find(image_id, category.id):
                verdict, is_empty = self.verdict(label), self.index.share_N[label] == 0
                if verdict != "absent" and (verdict in {"rejected", "corrected"} or not is_empty):
                    shown.append(category.name)
        return shown

    def _rle(self, label: int) -> Any:
        row = self.row(label)
        said = self._said(row)
        counting = said if said and said["verdict"] == "corrected" else row
        return {"size": [row["height"], row["width"]], "counts": counting["rle_counts"]}

    def picture(self, label: int) -> bytes:
        """Return the label's image as a JPEG. Raises Unknown, ImageRejected."""
        row = self.row(label)
        return self.pictures.picture(row["uri"], (row["height"], row["width"])).jpeg

    def tile(self, label: int) -> bytes:
        """Return a small JPEG of the label's image with the mask that counts over it.

        Raises Unknown, ImageRejected.
        """
        row = self.row(label)
        small = self.pictures.small(row["uri"], (row["height"], row["width"]))
        ids = [category.id for category in self.commit.categories]
        colour = colour_of(ids.index(row["category_id"]))
        masks = [(self._rle(label), colour)] if self.verdict(label) != "absent" else []
        return with_masks(Image.open(io.BytesIO(small)), masks)

    def say(self, reviewer: str, said: Sequence[Said]) -> None:
        """Write a batch of verdicts; once this returns none of them can be lost.

        Raises BadInput for a label that the commit lacks, a mask that is none, a reviewer's name;
        BadStorage.
        """
        rows = [self._row_of(one) for one in said]
        with self._lock:
            now = datetime.now(UTC)
            times: dict[Key, datetime] = {}  # of those that count, or will
            stamped = []
            for row, one in zip(rows, said, strict=True):
                key = row["image_id"], row["category_id"]
                known = times.get(key) or _time_of(self.verdicts.newest.get(key))
                at = said_at(now, timedelta(seconds=one.seconds_ago), known)
                times[key] = max(at, known or at)
                stamped.append({**row, "reviewer": reviewer, "at": at})
            self._count(self.verdicts.write(reviewer, stamped))

    def _read_part(self, number: int) -> pa.Table:
        alone = self.commit.model_copy(update={"parts": (self.commit.parts[number],)})
        return next(read_labels(self.output, alone))

    def _shown(self, label: int) -> dict[str, Any]:
        row = self.row(label)
        said = self._said(row)
        verdict = _counting(said)
        return {
            "label": label,
            **{name: row[name] for name in SHOWN},
            "verdict": verdict,
            "reviewer": said["reviewer"] if said and verdict else None,
        }

    def _said(self, row: Row) -> Row | None:
        return self.verdicts.newest.get((row["image_id"], row["category_id"]))

    def _find(self, image_id: str, category_id: int) -> dict[str, Any] | None:
        rows = map(self.row, self.index.find(image_id, category_id))
        return next((row for row in rows if row["image_id"] == image_id), None)

    def _row_of(self, said: Said) -> dict[str, Any]:
        row = self._find(said.image_id, said.category_id)
        if row is None:
            got = f"image {said.image_id!r:.80}, category {said.category_id}"
            raise BadInput("a verdict on no label", self.uri, got, "a label of the commit")
        return {
            "image_id": row["image_id"],
            "category_id": row["category_id"],
            "verdict": said.verdict,
            "height": row["height"],
            "width": row["width"],
            "rle_counts": _corrected(said, (row["height"], row["width"])),
            "seconds": said.seconds,
            "job_fingerprint": self.commit.fingerprint,
        }

    def _count(self, rows: Sequence[Row]) -> None:
        for row in rows:
            for label in self.index.find(row["image_id"], row["category_id"]):
                self.index.verdict_N[label] = CODES[row["verdict"]]


def said_at(now: datetime, ago: timedelta, known: datetime | None) -> datetime:
    """Return the time of a verdict; known is that of the label's newest one.

    It is later than the known one, as an undo is to follow what it undoes, unless that was said
    after it: a clock ahead of ours stamped what has been seen here, and is overruled.
    """
    at = now - ago
    if known is not None and at <= known and (known > now or known - at < NEAR):
        return known + timedelta(microseconds=1)
    return at


def _time_of(said: Row | None) -> datetime | None:
    return said["at"] if said is not None else None


def _counting(said: Row | None) -> Verdict | None:
    return said["verdict"] if said is not None and said["verdict"] != "withdrawn" else None


def _corrected(said: Said, size_HW: tuple[int, int]) -> str:
    if said.verdict != "corrected":
        return ""
    mask_HW = drawn_mask(said.runs, size_HW, "a corrected mask that is none", said.image_id)
    return encode_rle(mask_HW.astype(bool))["counts"]
