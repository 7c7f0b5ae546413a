"""The photos' job is a sound one: four formats, three categories, references that load."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.label_photos import photos_job
from pipeline.label.references import load_references
from schemas.job.label import LabelJob
from schemas.job.reference import Scribbles
from tests.made.data.datasets import LARGE, filled, jpeg, png, write

NAMES = (
    "perseg/cat/00",
    "perseg/cat/01",
    "perseg/cat/02",
    "msrc_cow/cow/5",
    "ccp_clothing/dress/1",
)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed, name in enumerate(NAMES):
        write(tmp_path / f"{name}.jpg", jpeg(seed))
        write(tmp_path / f"{name}.png", png(filled(LARGE) * 255))
    return tmp_path


def _check(folder: Path) -> None:
    job = LabelJob.model_validate(photos_job(folder, "s3://photos", {}))
    loaded = load_references(job.references, job.numbered_categories(), job.limits, job.storage)
    names = [category.name for category in job.numbered_categories()]
    assert names == ["cat", "cow", "dress"]
    assert Counter(r.category_id for r in loaded) == {1: 3, 2: 1, 3: 1}
    forms = [reference.annotation.type for reference in job.references]
    assert forms == ["mask", "box", "points", "scribbles", "mask"]
    assert job.random_weights


def test_references_are_drawn_in_all_formats(photos: Path) -> None:
    _check(photos)


def test_scribbles_lie_on_the_object(photos: Path) -> None:
    annotations: list[Any] = [r["annotation"] for r in photos_job(photos, "out", {})["references"]]
    scribbles = Scribbles.model_validate(annotations[3])
    mask_HW = filled(LARGE)
    for stroke in scribbles.strokes:
        for x, y in np.linspace(stroke[0], stroke[1], 50):
            assert mask_HW[int(y), int(x)]


@pytest.mark.skipif("VRP_PHOTOS" not in os.environ, reason="VRP_PHOTOS names no folder of photos")
def test_references_of_real_photos_load() -> None:
    _check(Path(os.environ["VRP_PHOTOS"]))
