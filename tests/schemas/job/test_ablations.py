"""Every preset is a job that needs only its data and an output."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.job.ablations import EVALUATIONS, TRAININGS
from schemas.job.evaluate import EvaluateJob
from schemas.job.method import Vrp
from schemas.job.train import TrainJob

GIVEN: dict[str, Any] = {
    "dataset": {"type": "folder", "root": "/data"},
    "index": "/index",
    "output": {"uri": "/out"},
}


@pytest.mark.parametrize("preset", EVALUATIONS)
def test_an_evaluation_preset_needs_only_data_and_output(preset: str) -> None:
    job = EvaluateJob.model_validate({"preset": preset, **GIVEN})
    assert job.methods
    assert job.episodes_per_fold in (1000, "all")


@pytest.mark.parametrize("preset", TRAININGS)
def test_a_training_preset_needs_only_data_and_output(preset: str) -> None:
    job = TrainJob.model_validate({"preset": preset, **GIVEN})
    assert job.recipe.batch == 8


def test_an_evaluation_finds_encoders_where_training_presets_leave_them() -> None:
    known = {"coco20i", "pascal5i", "coco-all", *TRAININGS}
    for preset in EVALUATIONS:
        for method in EvaluateJob.model_validate({"preset": preset, **GIVEN}).methods.values():
            if isinstance(method, Vrp):
                folder, fold, name = Path(method.weights).parts[-3:]
                assert fold == ("fold-0" if folder == "coco-all" else "fold-{fold}")
                assert name == "vrp.safetensors"
                assert folder in known
                trained = TRAININGS.get(folder, {}).get("method", {})
                assert method.queries == trained.get("queries", 50)
                assert method.query_init == trained.get("query_init", "random")
                assert method.backbone.type == trained.get("backbone", {}).get("type", "resnet50")


def test_what_a_job_says_itself_counts_more_than_its_preset() -> None:
    job = EvaluateJob.model_validate(
        {
            **GIVEN,
            "preset": "vrp-sam-7",
            "shots": [1],
            "methods": {"VRP-SAM (ResNet-50)": {"weights": "mine.safetensors"}},
        }
    )
    assert job.shots == (1,)
    [method] = job.methods.values()
    assert method.sam.type == "vit_h"
    assert isinstance(method, Vrp)
    assert Path(method.weights).name == "mine.safetensors"


def test_an_unknown_preset_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="vrp-sam-7"):
        EvaluateJob.model_validate({**GIVEN, "preset": "vrp-sam-99", "methods": {}})


def test_choices_that_are_not_made_leave_older_identities_alone() -> None:
    job = TrainJob.model_validate({"preset": "pascal5i-vgg16", **GIVEN})
    assert "query_init" not in job.method.model_dump()
    assert "loss" not in job.recipe.model_dump()
    other = TrainJob.model_validate({"preset": "pascal5i-half", **GIVEN})
    assert other.method.model_dump()["query_init"] == "half"
