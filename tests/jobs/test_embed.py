"""What an embedding job says in the end adds up."""

import io
from pathlib import Path

import numpy as np
from rich.console import Console

from jobs.embed import EmbedTally
from pipeline.embed.store import EmbeddingStore, pack_shard, write_shard
from pipeline.output.unit import UnitName
from schemas.job.embed import EmbedReceipt
from schemas.job.storage import Storage

FIELDS = {"sam": "random:1"}


def test_equal_photos_are_embedded_in_two_units_and_stored_once_and_that_is_said(
    tmp_path: Path,
) -> None:
    folder = EmbeddingStore(str(tmp_path), Storage(), FIELDS).folder
    tally = EmbedTally(Console(file=io.StringIO()))
    photo = {"a" * 64: np.zeros((1, 2, 2), np.float16)}
    for number in range(2):
        write_shard(folder, UnitName("0" * 16, number, number == 1), pack_shard(photo, FIELDS))
        tally.add(
            EmbedReceipt(
                shard_id="0" * 16, number=number, last=number == 1, embedded=1, known=number,
                rejected=(), bytes=8, seconds=0.1,
            )
        )  # fmt: skip
    said = tally.summary(EmbeddingStore(str(tmp_path), Storage(), FIELDS))
    assert said.startswith("3 images: 2 embedded")
    assert "1 known" in said
    assert "the store has 1 embeddings" in said
    assert "once however many files are equal" in said
