"""A job that names an earlier output: what is said of it, and when it is refused."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.label.check import check
from pipeline.label.preview import outlook
from schemas.errors import BadStorage, OtherJob
from tests.made.jobs.changed import CHANGED, FIRST, Written, collection
from tests.made.jobs.here import label_here
from tests.made.networks.methods import METHODS, NANO


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return collection(tmp_path)


def test_an_earlier_output_is_no_part_of_the_identity(written: Written) -> None:
    label_here(written("first"))
    plain, faster = written("new", CHANGED), written("new", CHANGED, earlier="first")
    assert check(plain).identity == check(faster).identity


def test_what_differs_besides_categories_is_named_and_refused(written: Written) -> None:
    label_here(written("first"))
    other = {"sam": NANO, **METHODS["matcher"], "seed": 5}
    job = written("new", CHANGED, earlier="first", method=other, thresholds={"min_score": 0.5})
    with pytest.raises(OtherJob) as refused:
        check(job)
    said = str(refused.value)
    assert "method.seed: 0 in the output, 5 in this job" in said
    assert "thresholds.min_score: 0.0 in the output, 0.5 in this job" in said
    assert "reference " not in said
    assert "where:  earlier: " in said


def test_an_earlier_output_without_a_commit_is_refused(written: Written) -> None:
    label_here(written("first"), most_units=1)
    with pytest.raises(BadStorage, match="without a commit"):
        check(written("new", CHANGED, earlier="first"))


def test_a_job_cannot_be_earlier_than_itself(written: Written) -> None:
    with pytest.raises(ValueError, match="is the job's own output"):
        written("first", earlier="first")


def test_the_plan_says_which_categories_are_kept_and_why_others_are_not(written: Written) -> None:
    label_here(written("first"))
    new = {one.what: one for one in outlook(check(written("new", CHANGED, earlier="first")))}
    assert new["keep categories"].count == 2
    assert new["keep categories"].why.endswith(": cat, dog")
    assert new["redo categories"].why == "cow: references: 1 added, 0 dropped or changed; emu: new"
    shifted = written("new", FIRST[1:], earlier="first")
    said = {one.what: one.why for one in outlook(check(shifted))}
    assert "cow: its id was 2 and is 1; `categories` keeps ids" in said["redo categories"]


COUPLED = {
    "argmax": {"overlaps": "argmax"},
    "precision": {"thresholds": {"precision": 0.9}},
}


@pytest.mark.parametrize("how", COUPLED.values(), ids=COUPLED)
def test_where_categories_know_of_each_other_all_are_made_anew_and_the_plan_says_why(
    written: Written, how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    label_here(written("first"))
    monkeypatch.setattr("pipeline.label.check.presence_task", lambda _: None)
    checked = check(written("new", CHANGED, earlier="first", **how))
    assert checked.earlier is not None
    assert not checked.earlier.kept
    (said,) = [one.why for one in outlook(checked) if one.what == "redo categories"]
    assert "cat: overlaps" in said or "cat: thresholds.precision" in said


def test_a_category_that_images_chose_references_of_is_kept_where_they_do_so_again(
    written: Written,
) -> None:
    nano = {"type": "vrp", "weights": "random:1", "sam": NANO, "backbone": NANO}
    shown = written("job", FIRST).model_dump()["references"]
    boxes = [{"type": "box", "xyxy": [1, 2, 30, 40 + n]} for n in range(10)]
    many = [*shown, *[{**shown[0], "annotation": box} for box in boxes]]
    every = {**nano, "best_references": "all"}
    label_here(written("all", references=many, method=every))
    label_here(written("best", references=many, method=nano))
    said = {}
    for earlier in ("all", "best"):
        new = written("new", references=many, method=nano, earlier=earlier)
        said[earlier] = {one.what: one.why for one in outlook(check(new))}
    assert said["all"]["redo categories"] == "cat: asked with the best 5 of its references"
    assert said["all"]["keep categories"].endswith(": cow, dog")
    assert said["best"]["keep categories"].endswith(": cat, cow, dog")
