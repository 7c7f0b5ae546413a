"""A budget of rejected images: it stops a job, says why, and lets a rerun go on."""

from pathlib import Path

import pytest

from pipeline.label.budget import IMAGES_TO_JUDGE, RejectedBudget
from pipeline.output.unit import UnitName, write_unit
from pipeline.storage.place import Place
from schemas.errors import TooManyRejected
from schemas.job.compute import Limits
from schemas.job.storage import Storage
from schemas.record.commit import Part
from tests.made.outputs.committed import rejected_row


def part(folder: Path, number: int, rejected: int) -> Part:
    """A committed unit of which every image is rejected."""
    rows = [rejected_row(f"{number}-{i}") for i in range(rejected)]
    unit = UnitName("0" * 16, number, last=False)
    return write_unit(Place.open(str(folder), Storage()), unit, [], rows, images=rejected)


def good(images: int) -> Part:
    return Part(
        path="labels/x.parquet",
        sha256="",
        bytes=0,
        images=images,
        rows=images,
        labelled=images,
        empty=0,
        rejected=0,
    )


def budget(folder: Path, limit: int | str | None, *before: Part) -> RejectedBudget:
    limits = Limits.model_validate({"max_rejected": limit})
    return RejectedBudget(Place.open(str(folder), Storage()), limits, before)


def test_a_count_is_judged_at_once_and_says_how_many_of_which_reason(tmp_path: Path) -> None:
    spent = budget(tmp_path, 2)
    spent.add(part(tmp_path, 0, 2))
    with pytest.raises(TooManyRejected, match="3 of 3 images: 3 decode"):
        spent.add(part(tmp_path, 1, 1))


def test_images_of_earlier_runs_count(tmp_path: Path) -> None:
    spent = budget(tmp_path, 2, part(tmp_path, 0, 2))
    with pytest.raises(TooManyRejected):
        spent.add(part(tmp_path, 1, 1))


def test_a_share_is_judged_once_there_are_images_to_judge_by(tmp_path: Path) -> None:
    spent = budget(tmp_path, "5%")
    spent.add(part(tmp_path, 0, 6))
    with pytest.raises(TooManyRejected, match="6 of 106 images"):
        budget(tmp_path, "5%", part(tmp_path, 0, 6), good(100)).check()
    spent.add(good(IMAGES_TO_JUDGE))
    spent.check()


def test_no_budget_stops_nothing(tmp_path: Path) -> None:
    budget(tmp_path, None, part(tmp_path, 0, 5)).check()


@pytest.mark.parametrize("limit", [0.05, -1, "100%x", "%"])
def test_a_limit_is_a_number_of_images_or_a_share_with_its_sign(limit: object) -> None:
    with pytest.raises(ValueError, match="max_rejected"):
        Limits.model_validate({"max_rejected": limit})
