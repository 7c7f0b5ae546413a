"""What a changed job makes of an audit sample is held against what reviewers said is right."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.certify.before_after import (
    OUTCOMES,
    Audited,
    audited_labels,
    change_of,
    compared_with,
    counted,
    images_of,
    rle_of,
)
from pipeline.review.review import Review
from schemas.job.storage import Storage
from tests.made.jobs.commands import run, write_job
from tests.made.outputs.committed import commit_units
from tests.made.outputs.labels import CAT, DOG, NOTHING, row, square
from tests.made.outputs.verdicts import say

MADE, RIGHT = square(5, 5, 10), square(8, 5, 10)


@pytest.fixture
def output(tmp_path: Path) -> str:
    """Four images of a dog, on each of which somebody said something else; no cat in any."""
    (tmp_path / "photos").mkdir()
    rows = []
    for number in range(4):
        uri = str(tmp_path / f"photos/{number}.png")
        Image.fromarray(np.full((40, 40, 3), 50 * number, np.uint8)).save(uri)
        rows += [row(f"{number}.png", CAT, NOTHING, uri=uri)]
        rows += [row(f"{number}.png", DOG, MADE, score=0.6, uri=uri)]
    commit_units(str(tmp_path / "out"), [(rows, [])])
    return str(tmp_path / "out")


def judged(output: str) -> list[Audited]:
    say(output, "0.png", "accepted", DOG)
    say(output, "1.png", "corrected", DOG, RIGHT)
    say(output, "2.png", "absent", DOG)
    say(output, "3.png", "rejected", DOG)
    labels = audited_labels(Review(output, Storage()), 9)
    return [one for one in labels if one.made["category"] == "dog"]


def test_a_label_is_improved_or_worsened_by_what_was_said_to_be_right(output: str) -> None:
    accepted, corrected, absent, rejected = judged(output)
    made, right = row("x", DOG, MADE), row("x", DOG, RIGHT)
    none = row("x", DOG, NOTHING)
    assert change_of(accepted, made).outcome == "unchanged"
    assert change_of(accepted, none).outcome == "worsened"
    change = change_of(corrected, right)
    assert (change.outcome, change.after_iou) == ("improved", 1.0)
    assert change.before_iou == pytest.approx(70 / 130)
    assert change_of(absent, none).outcome == "improved"
    assert change_of(absent, made).outcome == "unchanged"
    assert change_of(rejected, none).outcome == "unknown"
    assert rle_of(none)["size"] == [40, 40]


def test_labels_are_matched_by_image_and_the_categorys_name_and_counted(output: str) -> None:
    audited = judged(output)
    assert [name for name, _ in images_of(audited)] == [f"{n}.png" for n in range(4)]
    labelled = {
        "0.png": (0, [{**row("0.png", CAT, NOTHING), "category": "dog", "category_id": 7}]),
        "1.png": (1, [row("1.png", DOG, RIGHT)]),
    }
    changes = compared_with(audited, labelled)
    counts = counted([(one.made["category"], change) for one, _, change in changes])
    assert counts == {
        "dog": {
            "improved": 1, "worsened": 1, "unchanged": 0, "unknown": 0,
            "before_iou": pytest.approx((1 + 70 / 130) / 2), "after_iou": pytest.approx(0.5),
        }
    }  # fmt: skip


def test_an_image_that_the_job_learns_from_is_not_in_its_own_comparison(
    capsys, output: str, tmp_path: Path
) -> None:
    judged(output)
    # A copy under another name, as the studio makes of an image inside a shard.
    (tmp_path / "copy.png").write_bytes((tmp_path / "photos/0.png").read_bytes())
    box = {"type": "box", "xyxy": [5, 5, 15, 15]}
    names = ("dog", "cat")
    references = [{"category": name, "image": "copy.png", "annotation": box} for name in names]
    method = {"type": "vrp", "weights": "lite-vrp", "min_presence": 1}  # no mask at all
    job = write_job(tmp_path, references=references, method=method, allow_random_weights=False)
    before = sorted(tmp_path.rglob("*"))
    code, out, err = run(capsys, "compare", output, job, "--each", "9", "--json")
    assert code == 0, err
    counts = json.loads(out)["categories"]["dog"]
    # Of the first image, which was accepted, nothing is counted.
    assert {name: counts[name] for name in OUTCOMES} == {
        "improved": 1, "worsened": 1, "unchanged": 0, "unknown": 1,
    }  # fmt: skip
    assert sorted(tmp_path.rglob("*")) == before
