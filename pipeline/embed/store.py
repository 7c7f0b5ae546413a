"""SAM's image embeddings on storage: found by the image's bytes, SAM's weights and preprocessing.

    <store>/<model key>/model.json              what the key stands for
    <store>/<model key>/shards/<unit>.safetensors

A shard holds float16 tensors named by the sha256 of the encoded image, and its header the sha256 of
each tensor's bytes. It is written once, whole, as label parts are; so its presence is its commit.
One embedding is read by one ranged request, and its hash is checked.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save

from pipeline.output.unit import UnitName
from pipeline.storage.place import Place
from schemas.errors import BadStorage
from schemas.job.method import Method
from schemas.job.storage import Storage

if TYPE_CHECKING:
    from torch import Tensor

# Raised by whoever changes how pixels reach SAM (decoding, stretching, normalising).
PREPROCESSING_REVISION = 1
SHARD_NAME = re.compile(r"(?P<shard>[0-9a-f]{16})-(?P<unit>\d{5,})(?P<last>-last)?\.safetensors")
MODEL = "model.json"
SHARDS = "shards"
# The header of 256 embeddings is some 70 kB: one request in nearly every case.
HEADER_BYTES = 2**17
OPEN_THREADS = 16  # they wait for storage


@dataclass(frozen=True)
class StoredEmbedding:
    """Where one embedding lies: bytes start to end of a shard, and their sha256."""

    shard: Place
    start: int
    end: int
    shape: tuple[int, ...]
    sha256: str


def shard_file(unit: UnitName) -> str:
    return f"{SHARDS}/{unit}.safetensors"


def model_fields(method: Method, sam_contents: str) -> dict[str, str]:
    """Return all that an embedding depends on besides the image.

    sam_contents is `sha256:…` of each of its weights files, or `random:SEED`.
    """
    via = method.backbone if method.sam_input == "via_512" else None
    return {
        "sam.type": method.sam.type,
        "sam.weights": sam_contents,
        "sam_input": method.sam_input,
        # Through the backbone's input, its side matters too.
        "via": via.type if via else "",
        "preprocessing": str(PREPROCESSING_REVISION),
    }


def model_key(fields: Mapping[str, str]) -> str:
    """Return the folder name of `model_fields` in a store."""
    return hashlib.sha256(json.dumps(dict(fields), sort_keys=True).encode()).hexdigest()


def image_key(data: bytes) -> str:
    """Return the name of an image's embedding: the sha256 of the encoded bytes."""
    return hashlib.sha256(data).hexdigest()


def claim_store(folder: Place, fields: Mapping[str, str]) -> None:
    """Write down what the folder's key stands for, once."""
    folder.below(MODEL).create(json.dumps(dict(fields), indent=1).encode())


def pack_shard(embeddings: Mapping[str, np.ndarray], fields: Mapping[str, str]) -> bytes:
    """Return the file of a unit's embeddings, float16 [C, h, w] by image key.

    Raises ValueError for a value that float16 cannot hold.
    """
    for key, embedding_Dhw in embeddings.items():
        if embedding_Dhw.dtype != np.float16 or not np.isfinite(embedding_Dhw).all():
            raise ValueError(f"the embedding of {key} is not finite in float16")
    digests = {k: hashlib.sha256(v.tobytes()).hexdigest() for k, v in embeddings.items()}
    return save(dict(embeddings), {"model": model_key(fields), "sha256": json.dumps(digests)})


def write_shard(folder: Place, unit: UnitName, data: bytes) -> bool:
    """Commit a unit; False when it was there already."""
    return folder.below(shard_file(unit)).create(data)


def list_shards(folder: Place) -> set[UnitName]:
    """Return the units that are committed: one LIST."""
    matches = (SHARD_NAME.fullmatch(name) for name in folder.below(SHARDS).files())
    return {UnitName(m["shard"], int(m["unit"]), m["last"] is not None) for m in matches if m}


class EmbeddingStore:
    """The embeddings of one SAM that a store holds. Safe to share between threads."""

    def __init__(self, uri: str, storage: Storage, fields: Mapping[str, str]) -> None:
        self._key = model_key(fields)
        self.folder = Place.open(uri, storage).below(self._key[:16])
        shards = sorted(list_shards(self.folder), key=str)
        with ThreadPoolExecutor(OPEN_THREADS) as threads:
            headers = list(threads.map(self._read_header, shards))
        self._stored = {image: one for header in headers for image, one in header.items()}

    def __len__(self) -> int:
        return len(self._stored)

    def __contains__(self, image: str) -> bool:
        return image in self._stored

    def get(self, image: str) -> Tensor | None:
        """Return an image's embedding, float16 [C, h, w]; None when it is not in the store.

        Raises BadStorage when the bytes read are not those written.
        """
        import torch  # noqa: PLC0415 - `vrp status` counts a store's units, and waits for nothing

        stored = self._stored.get(image)
        if stored is None:
            return None
        data = stored.shard.read(start=stored.start, end=stored.end)
        if hashlib.sha256(data).hexdigest() != stored.sha256:
            raise BadStorage(
                "an embedding is not the one that was written",
                stored.shard.uri,
                f"{len(data)} bytes of another hash",
                f"sha256 {stored.sha256}; delete the shard and run `vrp embed` again",
            )
        # A copy: torch wants memory that it may write.
        values = np.frombuffer(data, np.float16).reshape(stored.shape).copy()
        return torch.from_numpy(values)

    def _read_header(self, unit: UnitName) -> dict[str, StoredEmbedding]:
        shard = self.folder.below(shard_file(unit))
        head = shard.read(start=0, end=HEADER_BYTES)
        length = int.from_bytes(head[:8], "little")  # safetensors: a length, a JSON header, data
        if len(head) < 8 + length:
            head += shard.read(start=len(head), end=8 + length)
        try:
            header = json.loads(head[8 : 8 + length])
            about = header.pop("__metadata__")
            digests = json.loads(about["sha256"])
            model = about["model"]
        except (ValueError, KeyError) as error:
            raise BadStorage(
                "a shard of embeddings cannot be read",
                shard.uri,
                repr(error),
                "a file of `vrp embed`",
            ) from error
        if model != self._key:
            raise BadStorage("a shard of another SAM", shard.uri, model, self._key)
        return {
            image: StoredEmbedding(
                shard,
                8 + length + entry["data_offsets"][0],
                8 + length + entry["data_offsets"][1],
                tuple(entry["shape"]),
                digests[image],
            )
            for image, entry in header.items()
        }
