"""Turn a commit into the few numbers of each label that a queue is chosen and ordered by.

Some 50 bytes a label, whatever its mask: ten million labels are 0.5 GB. Letters: N labels, in the
order of the commit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.record.verdict import VERDICTS

UNREVIEWED = 0
CODES = {"withdrawn": UNREVIEWED} | {
    verdict: code for code, verdict in enumerate((v for v in VERDICTS if v != "withdrawn"), start=1)
}


@dataclass(frozen=True)
class LabelIndex:
    """Arrays [N]; labels are numbered 0 to N - 1. All but `verdict_N` never change."""

    part_N: np.ndarray  # int32: which part of the commit
    row_N: np.ndarray  # int32: which row of the part, of those for whole categories
    category_N: np.ndarray  # int32: the category's id
    score_N: np.ndarray  # float32
    sure_N: np.ndarray  # float32: the least of score, stability and presence
    apart_N: np.ndarray  # float32: how far apart these three rank it in its category, 0 to 1
    share_N: np.ndarray  # float32: the mask's share of the image; 0 for an empty label
    key_N: np.ndarray  # uint64: hash of image id and category
    by_key_N: np.ndarray  # intp: labels in the order of their keys
    verdict_N: np.ndarray  # uint8: CODES of the verdict that counts
    review_N: np.ndarray  # bool: the job left it for a person to decide
    salt: np.uint64  # of the job: what an audit sample is drawn by, with the keys

    def __len__(self) -> int:
        return len(self.key_N)

    def find(self, image_id: str, category_id: int) -> list[int]:
        """Return the labels whose key is that of an image and category: one, hardly ever more."""
        key = _keys(_hash(image_id), np.int64(category_id))
        sides = ("left", "right")
        first, end = (self.key_N.searchsorted(key, s, sorter=self.by_key_N) for s in sides)
        return self.by_key_N[first:end].tolist()


def index_labels(tables: Iterable[pa.Table], fingerprint: str) -> LabelIndex:
    """Index the tables of a commit's parts (`read_labels`), one in memory at a time."""
    parts = [_index_part(number, table) for number, table in enumerate(tables)]
    empty: dict[str, Any] = dict.fromkeys(_COLUMNS, np.empty(0))
    columns = {
        name: np.concatenate([part[name] for part in parts] or [empty[name]]).astype(kind)
        for name, kind in _COLUMNS.items()
    }
    signals_3N = [columns[name] for name in ("score_N", "stability_N", "presence_N")]
    apart_N = _apart(signals_3N, columns["category_N"])
    del columns["stability_N"], columns["presence_N"]
    return LabelIndex(
        **columns,
        apart_N=apart_N,
        by_key_N=np.argsort(columns["key_N"], kind="stable"),
        verdict_N=np.zeros(len(columns["key_N"]), np.uint8),
        salt=_hash(fingerprint),
    )


_COLUMNS = {
    "part_N": np.int32,
    "row_N": np.int32,
    "category_N": np.int32,
    "score_N": np.float32,
    "sure_N": np.float32,
    "stability_N": np.float32,
    "presence_N": np.float32,
    "share_N": np.float32,
    "key_N": np.uint64,
    "review_N": np.bool_,
}


def _index_part(number: int, table: pa.Table) -> dict[str, np.ndarray]:
    images = table["image_id"].combine_chunks().dictionary_encode()
    hashes = np.array([_hash(name) for name in images.dictionary.to_pylist()], np.uint64)
    category = table["category_id"].to_numpy()
    image_px = table["height"].to_numpy().astype(np.float64) * table["width"].to_numpy()
    sure = [table[name].to_numpy().astype(np.float32) for name in ("score", "stability")]
    sure.append(table["presence"].fill_null(1.0).to_numpy().astype(np.float32))
    return {
        "part_N": np.full(table.num_rows, number),
        "row_N": np.arange(table.num_rows),
        "category_N": category,
        "score_N": sure[0],
        "sure_N": np.min(sure, axis=0),
        "stability_N": sure[1],
        "presence_N": sure[2],
        "share_N": table["area_px"].to_numpy() / image_px,
        "key_N": _keys(hashes[images.indices.to_numpy()], category),
        "review_N": np.array(table["decision"].to_pylist(), object) == "review",
    }


def _apart(signals_3N: Sequence[np.ndarray], category_N: np.ndarray) -> np.ndarray:
    """Return the span of each label's ranks by several signals, as a share of its category's.

    A signal that is the same for all says nothing.
    """
    apart_N = np.zeros(len(category_N), np.float32)
    for category in np.unique(category_N):
        places = np.flatnonzero(category_N == category)
        ranks = [_ranks(signal_N[places]) for signal_N in signals_3N]
        if telling := [one for one in ranks if one is not None]:
            apart_N[places] = np.ptp(telling, axis=0)
    return apart_N


def _ranks(values: np.ndarray) -> np.ndarray | None:
    """Return the share of the values below each, equal ones half; None where all are equal."""
    distinct, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    if len(distinct) < 2:
        return None
    return ((np.cumsum(counts) - counts / 2) / len(values))[places]


def _hash(image_id: str) -> np.uint64:
    return np.uint64(int.from_bytes(blake2b(image_id.encode(), digest_size=8).digest()))


def _keys(hashes: Any, category_ids: Any) -> Any:
    # An odd factor (2^64 over the golden ratio) spreads small ids over all 64 bits.
    with np.errstate(over="ignore"):
        return hashes ^ (category_ids.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
