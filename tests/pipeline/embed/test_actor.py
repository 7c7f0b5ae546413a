"""One actor's embedding: units in, shards of a store out."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from model.embed import SamEmbedder
from pipeline.cluster.unit_table import unit_to_table
from pipeline.embed import actor
from pipeline.embed.actor import EmbedUnits
from pipeline.embed.store import EmbeddingStore, image_key
from pipeline.inputs.shards import Unit
from pipeline.output.unit import UnitName
from pipeline.storage.place import Place
from schemas.job.embed import EmbedJob, EmbedReceipt
from schemas.job.storage import Storage
from tests.made.outputs.units import BLACK, WHITE, png, unit

NANO = {"type": "nano", "weights": "random"}
FIELDS = {"sam.type": "nano"}


@pytest.fixture
def job(tmp_path: Path) -> EmbedJob:
    return EmbedJob.model_validate(
        {
            "targets": {"type": "images", "uris": [str(tmp_path)]},
            "method": {"type": "vrp", "weights": "random", "sam": NANO, "backbone": NANO},
            "embeddings": str(tmp_path / "store"),
            "compute": {"batch_size": 2},
            "allow_random_weights": True,
        }
    )


def receipt_of(units: EmbedUnits, work: Unit) -> EmbedReceipt:
    (row,) = units(unit_to_table(work))["receipt"]
    return EmbedReceipt.model_validate_json(row)


def test_every_image_is_embedded_once_and_what_is_none_is_rejected(job: EmbedJob) -> None:
    images = [png(WHITE), png(BLACK), b"not an image", png(WHITE), png(WHITE, (9, 7))]
    receipt = receipt_of(EmbedUnits(job, FIELDS, gpus=0.0), unit(*images))
    assert (receipt.embedded, receipt.known, len(receipt.rejected)) == (3, 1, 1)
    store = EmbeddingStore(job.embeddings, Storage(), FIELDS)
    assert all(image_key(data) in store for data in images if data != b"not an image")


def test_an_image_that_does_not_fit_into_memory_is_rejected_and_not_its_unit(
    job: EmbedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = EmbedUnits(job, FIELDS, gpus=0.0)
    embed = SamEmbedder.embed

    def small_memory(self: SamEmbedder, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        if any(image.shape[:2] == (7, 9) for image in images):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return embed(self, images)

    monkeypatch.setattr(SamEmbedder, "embed", small_memory)
    receipt = receipt_of(units, unit(png(WHITE), png(WHITE, (9, 7)), png(BLACK)))
    assert receipt.embedded == 2
    ((_, reason),) = receipt.rejected
    assert reason.startswith("out-of-memory")


def test_while_one_unit_is_written_the_next_one_has_the_encoder(
    job: EmbedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    units = EmbedUnits(job, FIELDS, gpus=0.0)
    embedded: list[Mapping[str, np.ndarray]] = []
    both = Event()
    pack, write = actor.pack_shard, actor.write_shard

    def pack_shard(embeddings: Mapping[str, np.ndarray], fields: Mapping[str, str]) -> bytes:
        embedded.append(embeddings)
        if len(embedded) == 2:
            both.set()
        return pack(embeddings, fields)

    def write_shard(folder: Place, name: UnitName, data: bytes) -> bool:
        assert both.wait(timeout=60)
        return write(folder, name, data)

    monkeypatch.setattr(actor, "pack_shard", pack_shard)
    monkeypatch.setattr(actor, "write_shard", write_shard)
    work = [replace(unit(png(colour)), number=n) for n, colour in enumerate((WHITE, BLACK))]
    with ThreadPoolExecutor(2) as threads:
        receipts = list(threads.map(lambda one: receipt_of(units, one), work))
    assert [receipt.embedded for receipt in receipts] == [1, 1]
