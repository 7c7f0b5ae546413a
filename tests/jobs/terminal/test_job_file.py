"""A job file becomes a job; a labeling job stands for the embedding of its targets."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.terminal.job_file import read_embedding, read_job
from schemas.errors import BadInput
from schemas.job.embed import IMAGES_PER_UNIT, EmbedJob
from schemas.job.label import LabelJob

NANO = {"type": "nano", "weights": "random:1"}
VRP = {"type": "vrp", "weights": "random:2", "sam": NANO, "backbone": NANO}
LABELING = {
    "targets": {"type": "images", "uris": "photos"},
    "references": [
        {"category": "cat", "image": "r.jpg", "annotation": {"type": "box", "xyxy": [1, 2, 3, 4]}}
    ],
    "method": VRP,
    "embeddings": "store",
    "output": {"uri": "out"},
    "compute": {"images_per_unit": 256, "batch_size": 4},
    "allow_random_weights": True,
}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "job.yaml"
    document = {key: value for key, value in {**LABELING, **changes}.items() if value is not None}
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_labeling_job_stands_for_the_embedding_of_its_targets(tmp_path: Path) -> None:
    job = read_embedding(write(tmp_path), ["compute.batch_size=8"])
    assert job.embeddings == str(tmp_path / "store")
    assert job.targets == EmbedJob.model_validate(
        {"targets": {"type": "images", "uris": str(tmp_path / "photos")}, "method": VRP,
         "embeddings": "x", "allow_random_weights": True}
    ).targets  # fmt: skip
    assert (job.compute.batch_size, job.compute.images_per_unit) == (8, IMAGES_PER_UNIT)


def test_a_labeling_job_without_a_store_is_told_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        read_embedding(write(tmp_path, embeddings=None))
    assert "embeddings" in refused.value.got
    assert "vrp schema embed" in refused.value.wanted


def test_a_fault_of_a_job_names_the_schema_of_its_kind(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="vrp schema embed`"):
        read_job(EmbedJob, write(tmp_path))


def test_a_mistyped_key_is_told_which_one_was_meant(tmp_path: Path) -> None:
    path = write(tmp_path, treshold={"recall": 0.9}, limits={"max_byte": 1})
    with pytest.raises(BadInput) as refused:
        read_job(LabelJob, path)
    assert "treshold: is no key of this (did you mean thresholds?)" in refused.value.got
    assert "limits.max_byte: is no key of this (did you mean max_bytes?)" in refused.value.got


def test_broken_yaml_is_told_by_the_files_name(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("a: [1\nb: 2")
    with pytest.raises(BadInput, match=r'in "job\.yaml", line 2'):
        read_job(LabelJob, tmp_path / "job.yaml")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"thresholds": {"mask_logit": float("nan")}}, "mask_logit: is not a finite number"),
        ({"limits": {"seconds_per_image": float("inf")}}, "seconds_per_image: is above 1000000"),
        ({"categories": [{"id": 2**31, "name": "cat"}]}, "id: is not below 2147483648"),
    ],
)
def test_a_number_that_would_fail_later_is_told_before_any_work(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput) as refused:
        read_job(LabelJob, write(tmp_path, embeddings=None, **changes))
    assert said in refused.value.got
