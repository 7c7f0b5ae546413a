"""Whose output it is: from contents, and every difference named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.segmenter import LoadedReference
from pipeline.output.identity import claim_output, identify, read_identity
from pipeline.storage.place import Place
from schemas.errors import OtherJob
from schemas.job.label import LabelJob
from schemas.job.storage import Storage
from schemas.record.commit import Identity
from tests.made.jobs.label_jobs import job

WEIGHTS = {
    "method.weights": "sha256:aa",
    "method.sam.weights": "sha256:bb",
    "method.backbone.weights": "random:0",
}


def references(*ids: str) -> list[LoadedReference]:
    pixels = np.zeros((4, 4, 3), np.uint8)
    return [LoadedReference(i, 1, pixels, pixels[..., 0] == 0) for i in ids]


def identity(
    *, weights: dict[str, str] = WEIGHTS, refs: tuple = ("r1",), **changes: Any
) -> Identity:
    return identify(LabelJob.model_validate(job(**changes)), references(*refs), weights)


def refusal(tmp_path: Path, found: Identity, wanted: Identity) -> str:
    output = Place.open(str(tmp_path), Storage())
    claim_output(output, found)
    with pytest.raises(OtherJob) as caught:
        claim_output(output, wanted)
    assert read_identity(output) == found
    return str(caught.value)


def test_the_machine_batch_size_and_address_are_not_part_of_it() -> None:
    other = identity(
        compute={"batch_size": 3, "precision": "fp32"},
        output={"uri": "/elsewhere"},
        storage={"endpoint_url": "http://127.0.0.1:1"},
    )
    assert other.fingerprint == identity().fingerprint


def test_changed_weights_are_refused_by_name(tmp_path: Path) -> None:
    changed = {**WEIGHTS, "method.sam.weights": "sha256:cc"}
    said = refusal(tmp_path, identity(), identity(weights=changed))
    assert "method.sam.weights: sha256:bb in the output, sha256:cc in this job" in said
    assert "method.weights:" not in said


def test_a_changed_reference_is_refused_by_name(tmp_path: Path) -> None:
    said = refusal(tmp_path, identity(), identity(refs=("r1", "r2")))
    assert "reference r2: only in this job (cat)" in said


def test_a_changed_threshold_is_refused_by_name(tmp_path: Path) -> None:
    said = refusal(tmp_path, identity(), identity(thresholds={"min_score": 0.5}))
    assert "thresholds.min_score: 0.0 in the output, 0.5 in this job" in said


def test_a_changed_threshold_is_the_same_model() -> None:
    other = identity(thresholds={"min_score": 0.5})
    assert other.model_fingerprint == identity().model_fingerprint
    assert other.fingerprint != identity().fingerprint


def test_an_output_claimed_again_by_its_own_job_is_fine(tmp_path: Path) -> None:
    output = Place.open(str(tmp_path), Storage())
    claim_output(output, identity())
    claim_output(output, identity())
    assert read_identity(output) == identity()


def test_overlaps_and_instances_count_only_when_they_are_asked_for() -> None:
    same = identity(overlaps="keep", instances=None)
    assert same.fields == identity().fields
    assert "overlaps" not in same.fields
    chosen = identity(overlaps="argmax", instances={"by": "components", "most": 5})
    assert chosen.fields["overlaps"] == "argmax"
    likelier = identity(overlaps="argmax", thresholds={"recall": 0.9})
    assert likelier.fields["overlaps"] == "argmax by probability"
    assert chosen.fields["instances.most"] == "5"
    assert chosen.fingerprint != same.fingerprint
    assert chosen.model_fingerprint == same.model_fingerprint


def test_a_choice_among_many_references_counts_where_there_are_as_many(tmp_path: Path) -> None:
    cat, cow = job()["references"]
    few, many = [cow, *[cat] * 10], [cow, *[cat] * 11]
    every = {"method": job()["method"] | {"best_references": "all"}}
    assert identity(references=few).fields == identity(references=few, **every).fields
    chosen, before = identity(references=many), identity(references=many, **every)
    assert before.fields == identity(references=few).fields
    assert not before.chooses_references
    assert chosen.chooses_references
    assert chosen.model_fingerprint == before.model_fingerprint
    said = refusal(tmp_path, before, chosen)
    assert "category 2 asked with: only in this job (the best 5 of its references)" in said
    named = {"method": job()["method"] | {"best_references": 7}}
    assert identity(references=few, **named).chooses_references
