"""What an evaluation refuses before anything is scored."""

from pathlib import Path
from typing import Any

import pytest

from model.checkpoints.load import Loader
from model.checkpoints.state_dict import save_weights
from model.methods.vrp import load_vrp
from pipeline.evaluate.check import check
from pipeline.train.state import encoder_tensors
from schemas.errors import BadInput
from schemas.job.evaluate import EvaluateJob
from schemas.job.method import Vrp
from schemas.record.card import Training, VrpCard
from tests.made.data.datasets import LARGE, CocoFiles
from tests.made.jobs.evaluation import NANO, a_job


def _scored(folder: Path, trained_on: tuple[str, ...], **changes: Any) -> EvaluateJob:
    """A job of fold 0, whose novel categories are person and airplane; weights with a card."""
    names = ("person", "bicycle", "airplane")
    coco = CocoFiles(folder / "coco", names)
    for number in range(9):
        coco.image(number, **{names[number % 3]: LARGE})
    method = Vrp.model_validate(NANO["vrp"])
    card = VrpCard(
        network="vrp",
        sam="nano",
        backbone="nano",
        reading=method.reading,
        queries=4,
        categories_seen=trained_on,
        training=Training(data="none"),
    )
    encoder = load_vrp(method, Loader("cpu", "fp32")).encoder
    save_weights(encoder_tensors(encoder), folder / "fold-0.safetensors", card)
    methods = {"trained": {**NANO["vrp"], "weights": f"{folder}/fold-{{fold}}.safetensors"}}
    settings = {"protocol": "coco20i", "folds": (0,), "methods": methods}
    return a_job(folder, coco.save(), **(settings | changes))


def test_weights_that_saw_a_novel_category_are_refused_by_name(tmp_path: Path) -> None:
    # VOC's aeroplane is COCO's airplane.
    with pytest.raises(BadInput, match="novel categories") as refused:
        check(_scored(tmp_path, ("bicycle", "aeroplane")))
    assert refused.value.where == "methods.trained.weights, fold 0 of protocol coco20i"
    assert refused.value.got.endswith("fold-0.safetensors, trained on airplane")
    assert "protocol: all" in refused.value.wanted


def test_what_weights_know_may_be_scored_where_nobody_calls_it_novel(tmp_path: Path) -> None:
    check(_scored(tmp_path / "unseen", ("bicycle",)))
    for name, change in (("base", {"classes": "base"}), ("all", {"protocol": "all"})):
        check(_scored(tmp_path / name, ("person", "bicycle"), **change))
