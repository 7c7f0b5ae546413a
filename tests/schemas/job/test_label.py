"""The job as written: what is accepted, and what each mistake says."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.job.label import LabelJob
from tests.made.jobs.label_jobs import job


def fault(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        LabelJob.model_validate(job(**changes))
    return str(caught.value)


def test_categories_are_numbered_as_first_referenced() -> None:
    categories = LabelJob.model_validate(job()).numbered_categories()
    assert [(c.id, c.name) for c in categories] == [(1, "cat"), (2, "cow")]


def test_relative_paths_lie_beside_the_job_file_and_addresses_stay() -> None:
    read = LabelJob.model_validate(job(), context={"folder": "/jobs"})
    assert read.references[0].image == "/jobs/a.jpg"
    assert read.output.uri == "s3://bucket/labels"


def test_an_unknown_key_is_an_error() -> None:
    assert "outputs" in fault(outputs=1)


def test_a_wrong_type_is_an_error() -> None:
    assert "compute.batch_size" in fault(compute={"batch_size": "many"})


def test_a_category_with_two_ids_is_an_error() -> None:
    two = [{"id": 1, "name": "cat"}, {"id": 2, "name": "cat"}, {"id": 3, "name": "cow"}]
    assert "'cat' has two ids: 1 and 2" in fault(categories=two)


def test_an_id_with_two_names_is_an_error() -> None:
    two = [{"id": 1, "name": "cat"}, {"id": 1, "name": "cow"}]
    assert "id 1 names two categories" in fault(categories=two)


def test_a_reference_of_an_unlisted_category_is_an_error() -> None:
    assert "references use cow" in fault(categories=[{"id": 1, "name": "cat"}])


def test_a_category_without_a_reference_is_an_error() -> None:
    listed = [{"id": i, "name": name} for i, name in enumerate(["cat", "cow", "dog"], 1)]
    assert "no reference shows dog" in fault(categories=listed)


def test_random_weights_need_permission() -> None:
    message = fault(allow_random_weights=False)
    assert "allow_random_weights: true" in message
    assert "method.sam.weights" in message


def test_a_seed_that_is_no_number_is_an_error() -> None:
    random = {"type": "nano", "weights": "random"}
    method = {"type": "vrp", "weights": "random:x", "sam": random, "backbone": random}
    assert "random:NUMBER" in fault(method=method)


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ({"type": "box", "xyxy": [5, 5, 5, 9]}, "a box with no area"),
        ({"type": "polygon", "polygons": [[1, 2, 3, 4]]}, "at least 3 corners"),
        ({"type": "points", "points": []}, "at least 1 item"),
        ({"type": "lasso", "points": [[1, 2]]}, "'lasso'"),
    ],
)
def test_an_annotation_that_shows_nothing_is_an_error(annotation: dict, said: str) -> None:
    reference = {"category": "cat", "image": "a.jpg", "annotation": annotation}
    assert said in fault(references=[reference])


def test_secrets_do_not_print() -> None:
    read = LabelJob.model_validate(job(storage={"key": "AKIA", "secret": "hush"}))
    assert "hush" not in repr(read)
    assert "hush" not in read.model_dump_json()


def test_a_search_for_several_objects_needs_a_method_that_searches_and_an_end() -> None:
    assert "components" in fault(instances={"by": "iterative"})
    nano = {"type": "nano", "weights": "random"}
    persam = {"type": "persam", "sam": nano}
    assert "min_presence" in fault(instances={"by": "iterative"}, method=persam)
    sure = {**persam, "min_presence": 0.6}
    chosen = LabelJob.model_validate(job(instances={"by": "iterative"}, method=sure)).instances
    assert chosen is not None
    assert chosen.most == 10
    dinov2 = {**persam, "backbone": {"type": "dinov2_vitb14", "weights": "random"}}
    LabelJob.model_validate(job(instances={"by": "iterative"}, method=dinov2))
    matcher = {"type": "matcher", "sam": nano}
    assert "min_presence" in fault(instances={"by": "iterative"}, method=matcher)
    some = {**matcher, "min_presence": 0.2}
    LabelJob.model_validate(job(instances={"by": "iterative"}, method=some))
