"""The store of embeddings: found by content, read by range, never mistaken."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.embed.store import (
    EmbeddingStore,
    image_key,
    list_shards,
    model_fields,
    model_key,
    pack_shard,
    write_shard,
)
from pipeline.output.unit import UnitName
from pipeline.storage.place import Place
from schemas.errors import BadStorage
from schemas.job.method import Vrp, VrpReading
from schemas.job.networks import Backbone, Sam
from schemas.job.storage import Storage
from tests.made.servers.s3 import Bucket

METHOD = Vrp(
    type="vrp",
    weights="random:1",
    sam=Sam(type="nano", weights="random:2"),
    backbone=Backbone(type="nano", weights="random:3"),
)
FIELDS = model_fields(METHOD, "sha256:ab")
UNIT = UnitName("0123456789abcdef", 0, last=True)


def embeddings(*names: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(len(names))
    return {
        image_key(name.encode()): rng.standard_normal((4, 3, 3)).astype(np.float16)
        for name in names
    }


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Storage]:
    if request.param == "local":
        return str(tmp_path), Storage()
    bucket: Bucket = request.getfixturevalue("bucket")
    return f"{bucket.uri}/embeddings", bucket.storage


def write(place: tuple[str, Storage], found: dict[str, np.ndarray]) -> None:
    folder = Place.open(*place).below(model_key(FIELDS)[:16])
    assert write_shard(folder, UNIT, pack_shard(found, FIELDS))
    assert not write_shard(folder, UNIT, b"a second try")
    assert list_shards(folder) == {UNIT}


def test_an_embedding_is_found_by_its_images_bytes(place: tuple[str, Storage]):
    written = embeddings("one", "two", "three")
    write(place, written)
    store = EmbeddingStore(*place, FIELDS)
    assert len(store) == 3
    for name, embedding_Dhw in written.items():
        found = store.get(name)
        assert found is not None
        assert torch.equal(found, torch.from_numpy(embedding_Dhw))
    assert store.get(image_key(b"four")) is None


def test_other_weights_or_another_preprocessing_find_nothing(tmp_path: Path):
    write((str(tmp_path), Storage()), embeddings("one"))
    others = [
        model_fields(METHOD, "sha256:cd"),
        model_fields(
            METHOD.model_copy(update={"reading": VrpReading(sam_input="via_512")}), "sha256:ab"
        ),
        FIELDS | {"preprocessing": "2"},
    ]
    for fields in others:
        assert len(EmbeddingStore(str(tmp_path), Storage(), fields)) == 0


def test_a_shard_moved_to_another_sams_folder_is_refused(tmp_path: Path):
    write((str(tmp_path), Storage()), embeddings("one"))
    other = model_fields(METHOD, "sha256:cd")
    folder = tmp_path / model_key(FIELDS)[:16]
    folder.rename(tmp_path / model_key(other)[:16])
    with pytest.raises(BadStorage, match="another SAM"):
        EmbeddingStore(str(tmp_path), Storage(), other)


def test_a_flipped_bit_is_noticed_when_the_embedding_is_read(tmp_path: Path):
    written = embeddings("one", "two")
    write((str(tmp_path), Storage()), written)
    (shard,) = tmp_path.glob("*/shards/*")
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    store = EmbeddingStore(str(tmp_path), Storage(), FIELDS)
    outcomes = []
    for name in written:
        try:
            outcomes.append(store.get(name) is not None)
        except BadStorage:
            outcomes.append(False)
    assert sorted(outcomes) == [False, True]


def test_an_empty_unit_is_a_shard_too(tmp_path: Path):
    write((str(tmp_path), Storage()), {})
    assert len(EmbeddingStore(str(tmp_path), Storage(), FIELDS)) == 0


def test_what_float16_cannot_hold_is_refused():
    infinite = np.full((1, 1, 1), np.inf, np.float16)
    with pytest.raises(ValueError, match="finite"):
        pack_shard({hashlib.sha256(b"").hexdigest(): infinite}, FIELDS)
