"""Training jobs: presets are the paper's, and what cannot work is refused early."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.job.train import TrainJob


def train_job(**changes: Any) -> TrainJob:
    document: dict[str, Any] = {
        "dataset": {"type": "folder", "root": "/data"},
        "index": "/index",
        "method": {
            "type": "vrp",
            "weights": "random",
            "sam": {"type": "vit_b", "weights": "sam_vit_b"},
            "backbone": {"type": "resnet50", "weights": "resnet50"},
        },
        "output": {"uri": "/out"},
    }
    return TrainJob.model_validate({**document, **changes})


@pytest.mark.parametrize(
    ("preset", "protocol", "epochs", "learning_rate"),
    [("coco20i", "coco20i", 50, 1e-4), ("pascal5i", "pascal5i", 100, 2e-4)],
)
def test_presets_are_the_papers_recipes(
    preset: str, protocol: str, epochs: int, learning_rate: float
):
    job = train_job(preset=preset)
    assert (job.protocol, job.recipe.epochs) == (protocol, epochs)
    assert job.recipe.learning_rate == learning_rate
    assert (job.recipe.batch, job.recipe.weight_decay) == (8, 1e-6)


def test_what_the_job_says_counts_more_than_its_preset():
    job = train_job(preset="coco-all", recipe={"epochs": 2}, episodes={"negative_share": 0.0})
    assert (job.recipe.epochs, job.recipe.learning_rate) == (2, 1e-4)
    assert job.episodes.negative_share == 0.0
    assert job.episodes.references.max == 5


def test_a_job_that_was_written_out_reads_back_the_same():
    job = train_job(preset="pascal5i")
    document = job.model_dump(mode="json", exclude={"episodes": {"per_epoch"}})
    assert TrainJob.model_validate(document) == job


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "coco"}, "preset"),
        ({"protocol": "all"}, "recipe"),
        ({"preset": "coco20i", "episodes": {"per_epoch": 8}}, "recipe.episodes_per_epoch"),
        ({"preset": "coco20i", "recipe": {"episodes_per_epoch": 9}}, "multiple of 8"),
        ({"preset": "coco20i", "compute": {"workers": {"max": 9}}}, "at most one worker"),
        ({"preset": "coco20i", "compute": {"workers": {"min": 2, "max": 1}}}, "below min"),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        train_job(**changes)


def test_an_untrained_sam_needs_to_be_allowed():
    method = {
        "type": "vrp",
        "weights": "random",
        "sam": {"type": "nano", "weights": "random"},
        "backbone": {"type": "nano", "weights": "somewhere"},
    }
    with pytest.raises(ValidationError, match=r"method\.sam\.weights = random"):
        train_job(preset="coco20i", method=method)
    assert train_job(preset="coco20i", method=method, allow_random_weights=True)


def test_training_draws_its_references_and_does_not_choose_among_them():
    networks = {"sam": {"type": "vit_b", "weights": "a"}, "backbone": {"type": "resnet50"}}
    networks["backbone"]["weights"] = "b"
    method = {"type": "vrp", "weights": "random:0", "best_references": 5, **networks}
    with pytest.raises(ValidationError, match="wanted it in the job that labels"):
        train_job(preset="coco20i", method=method)


def test_several_workers_of_one_gpu_are_refused():
    half = {"gpus_per_worker": 0.5}
    assert train_job(preset="coco20i", compute=half).compute.gpus_per_worker == 0.5
    with pytest.raises(ValidationError, match="NCCL"):
        train_job(preset="coco20i", compute={**half, "workers": {"min": 1, "max": 2}})
