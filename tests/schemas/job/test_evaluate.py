"""What an evaluation says of absent objects: a word, its number, or both where they agree."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.job.evaluate import EvaluateJob
from tests.made.jobs.evaluation import a_job


def job(**changes: Any) -> EvaluateJob:
    return a_job(Path("/data"), {"type": "folder", "root": "/data/photos"}, **changes)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({}, ("none", 0.0, 1)),
        ({"absent": "swapped"}, ("swapped", 0.5, 1)),
        ({"absent": "swapped", "negative_share": 0.3}, ("swapped", 0.3, 1)),
        ({"negative_share": 0.3}, ("swapped", 0.3, 1)),
        ({"absent": "partly"}, ("partly", 0.0, 2)),
        ({"absent": "partly", "ways": 1}, ("partly", 0.0, 1)),
        ({"ways": 5}, ("partly", 0.0, 5)),
    ],
)
def test_a_word_stands_for_its_number_and_a_number_for_its_word(
    said: dict[str, Any], meant: tuple[str, float, int]
) -> None:
    made = job(**said)
    assert (made.absent, made.negative_share, made.ways) == meant
    assert EvaluateJob.model_validate(made.model_dump()) == made


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"absent": "none", "negative_share": 0.3}, "wanted a share with swapped"),
        ({"absent": "partly", "negative_share": 0.3}, "wanted a share with swapped"),
        ({"absent": "swapped", "negative_share": 0.0}, "wanted a share with swapped"),
        ({"absent": "swapped", "ways": 2}, "wanted absent: partly"),
        ({"absent": "partly", "episodes_per_fold": "all"}, "wanted a number"),
        ({"presence": True}, "swapped or partly"),
    ],
)
def test_a_word_and_numbers_that_disagree_are_refused(said: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        job(**said)
