"""A job may name VRP weights alone: their card says the SAM, the backbone and the reading."""

from pathlib import Path

import pytest
import torch
import yaml

from jobs.terminal.job_file import read_job
from model.checkpoints.state_dict import save_weights
from schemas.errors import BadInput
from schemas.job.label import LabelJob
from schemas.job.method import READINGS
from schemas.record.card import Training, VrpCard

CARD = VrpCard(
    network="vrp",
    sam="lite",
    backbone="efficientnet_lite2",
    reading=READINGS["paper"],
    queries=24,
    training=Training(data="none"),
)


def job_file(folder: Path, method: dict[str, object]) -> Path:
    save_weights({"queries": torch.zeros(1)}, folder / "carded.safetensors", CARD)
    save_weights({"queries": torch.zeros(1)}, folder / "bare.safetensors", None)
    path = folder / "job.yaml"
    reference = {
        "category": "cat",
        "image": "a.png",
        "annotation": {"type": "box", "xyxy": [1, 1, 2, 2]},
    }
    document = {
        "targets": {"type": "images", "uris": "photos"},
        "references": [reference],
        "method": method,
        "output": {"uri": "out"},
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_weights_alone_are_a_whole_method(tmp_path: Path) -> None:
    path = job_file(tmp_path, {"type": "vrp", "weights": "carded.safetensors"})
    method = read_job(LabelJob, path).method
    assert method.type == "vrp"
    assert (method.sam.type, method.sam.weights, method.queries) == ("lite", "lite-sam", 24)
    assert method.backbone.weights == "efficientnet-lite2"
    assert method.sam.trunk == method.backbone
    assert method.weights == str(tmp_path / "carded.safetensors")


def test_what_the_job_says_counts_more_than_the_card(tmp_path: Path) -> None:
    sam = {"type": "lite", "weights": "mine.safetensors"}
    path = job_file(tmp_path, {"type": "vrp", "weights": "carded.safetensors", "sam": sam})
    assert read_job(LabelJob, path).method.sam.weights == str(tmp_path / "mine.safetensors")


@pytest.mark.parametrize("weights", ["bare.safetensors", "random:1"])
def test_without_a_card_the_job_must_name_its_networks(tmp_path: Path, weights: str) -> None:
    path = job_file(tmp_path, {"type": "vrp", "weights": weights})
    with pytest.raises(BadInput, match=r"method\.vrp\.sam: is missing"):
        read_job(LabelJob, path)
