"""What a job may ask about the presence of objects."""

import pytest
from pydantic import ValidationError

from schemas.job.label import LabelJob
from tests.made.jobs.label_jobs import job

RANDOM = {"type": "nano", "weights": "random"}
VRP = {"type": "vrp", "weights": "random", "sam": RANDOM, "backbone": RANDOM}


def test_a_job_that_does_not_ask_has_the_thresholds_it_ever_had() -> None:
    thresholds = LabelJob.model_validate(job()).thresholds
    assert set(thresholds.model_dump()) == {
        "mask_logit",
        "min_score",
        "min_stability",
        "min_area_px",
    }
    assert not thresholds.decide_presence


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"negatives": ["a.jpg"]}, "without thresholds.precision"),
        ({"presence_head": "h.json"}, "without thresholds.precision"),
        (
            {"thresholds": {"precision": 0.9}, "method": VRP | {"min_presence": 0.5}},
            "min_presence 0.5 beside",
        ),
        (
            {
                "thresholds": {"recall": 0.9},
                "method": {"type": "persam", "sam": RANDOM},
                "instances": {"by": "iterative"},
            },
            "instances by iterative with thresholds.precision",
        ),
        ({"thresholds": {"precision": 1.0}}, "less than 1"),
    ],
)
def test_what_does_not_go_together_is_said(changes: dict, fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        LabelJob.model_validate(job(**changes))
