"""Every method as a job file names it, and what a mistake says."""

import json
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from pipeline.embed.store import model_fields
from schemas.job.label import LabelJob
from schemas.job.method import Method
from schemas.job.weights import weights_of, with_weights
from tests.made.jobs.label_jobs import job

TYPES = ["vrp", "gp_sam", "persam", "persam_f", "matcher"]
JOB = """
type: {type}
sam: {{type: vit_b, weights: sam_vit_b}}
backbone: {{type: resnet50, weights: resnet50}}
"""


def method(method_type: str, **changes: Any) -> Method:
    document = yaml.safe_load(JOB.format(type=method_type))
    if method_type == "vrp":
        document["weights"] = "lite-vrp"
    return TypeAdapter[Method](Method).validate_python({**document, **changes})


@pytest.mark.parametrize("method_type", TYPES)
def test_every_method_is_a_job_and_keeps_its_weights_by_place(method_type: str) -> None:
    chosen = method(method_type)
    read = LabelJob.model_validate(job(method=chosen.model_dump()))
    assert read.method == chosen
    places = weights_of(read.method)
    assert places["method.sam.weights"] == "sam_vit_b"
    assert places["method.backbone.weights"] == "resnet50"
    moved = with_weights(read.method, {place: f"/cache/{name}" for place, name in places.items()})
    assert weights_of(moved) == {place: f"/cache/{name}" for place, name in places.items()}


@pytest.mark.parametrize("method_type", TYPES[1:])
def test_without_a_backbone_sam_alone_is_needed(method_type: str) -> None:
    chosen = method(method_type, backbone=None)
    assert weights_of(chosen) == {"method.sam.weights": "sam_vit_b"}
    assert with_weights(chosen, {"method.sam.weights": "x"}).sam.weights == "x"


def test_a_relative_weights_file_lies_beside_the_job_file_and_a_name_stays() -> None:
    sam = {"type": "nano", "weights": "w/a.pth"}
    document = job(method={**method("gp_sam").model_dump(), "sam": sam})
    read = LabelJob.model_validate(document, context={"folder": "/jobs"})
    assert read.method.sam.weights == "/jobs/w/a.pth"
    assert weights_of(read.method)["method.backbone.weights"] == "resnet50"


def test_the_schema_of_a_labeling_job_shows_every_method() -> None:
    schema = json.dumps(LabelJob.model_json_schema())
    assert all(f'"{method_type}"' in schema for method_type in TYPES)


@pytest.mark.parametrize("method_type", TYPES[1:])
def test_a_seed_that_is_no_number_is_an_error(method_type: str) -> None:
    with pytest.raises(ValidationError, match="wanted random or random:NUMBER"):
        method(method_type, sam={"type": "nano", "weights": "random:x"})


@pytest.mark.parametrize("method_type", TYPES[1:])
def test_random_weights_need_permission_in_every_method(method_type: str) -> None:
    chosen = method(method_type, sam={"type": "nano", "weights": "random"}).model_dump()
    with pytest.raises(ValidationError, match=r"method\.sam\.weights = random"):
        LabelJob.model_validate(job(method=chosen, allow_random_weights=False))


def test_a_proposal_needs_a_least_and_a_most() -> None:
    with pytest.raises(ValidationError, match="wanted a least and a most"):
        method("matcher", points=(6, 4))


def test_stored_embeddings_are_shared_only_by_methods_that_show_sam_the_same_input() -> None:
    fields = {name: model_fields(method(name), "sha256:ab") for name in TYPES}
    assert fields["vrp"] == fields["gp_sam"] == fields["matcher"]
    assert fields["persam"] == fields["persam_f"] != fields["vrp"]
