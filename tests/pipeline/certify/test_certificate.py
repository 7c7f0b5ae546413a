"""An audit sample becomes figures for all labels, and a gate that holds them to numbers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.certify.certificate import certify
from pipeline.certify.page import page_of
from pipeline.review.audit import draw_sample
from pipeline.review.review import Review
from schemas.errors import BadInput
from schemas.job.storage import Storage
from schemas.record.verdict import Verdict
from tests.made.jobs.commands import run
from tests.made.outputs.committed import commit_units
from tests.made.outputs.labels import CAT, DOG, NOTHING, row, square
from tests.made.outputs.verdicts import say

MADE = square(5, 5, 10)
IMAGES = 20


@pytest.fixture
def output(tmp_path: Path) -> str:
    """Twenty images with a dog, by the model: half with a score of 0.95, half with 0.6."""
    rows = []
    for number in range(IMAGES):
        name = f"{number:02}"
        dog = row(name, DOG, MADE, 0.95 if number % 2 else 0.6)
        rows += [row(name, CAT, NOTHING, 0.1), dog]
    commit_units(str(tmp_path / "out"), [(rows, [])])
    return str(tmp_path / "out")


def review_sample(output: str, each: int, low: Verdict = "accepted") -> None:
    """Accept the sample, but say something else of masks with a low score."""
    review = Review(output, Storage())
    for (category, number), labels in draw_sample(review.index, each).items():
        for label in labels.tolist():
            made = review.row(label)
            is_low = category == DOG.id and number == 1
            verdict: Verdict = low if is_low else "accepted"
            say(output, made["image_id"], verdict, DOG if category == DOG.id else CAT, MADE)


def test_a_sample_is_the_same_everywhere_and_a_larger_one_holds_it(output: str) -> None:
    small = draw_sample(Review(output, Storage()).index, 3)
    again = draw_sample(Review(output, Storage()).index, 3)
    large = draw_sample(Review(output, Storage()).index, 7)
    assert {key: len(labels) for key, labels in small.items()} == {
        (CAT.id, -1): 3, (DOG.id, 1): 3, (DOG.id, 4): 3,
    }  # fmt: skip
    for key, labels in small.items():
        assert labels.tolist() == again[key].tolist() == large[key][:3].tolist()


def test_what_is_judged_of_a_part_stands_for_all_of_it(output: str) -> None:
    review_sample(output, 4, "absent")
    certificate = certify(Review(output, Storage()), 4)
    whole, *others = certificate.lines
    assert (whole.what, whole.labels, whole.judged) == ("all labels", 40, 12)
    assert whole.figures["precision"].value == pytest.approx(0.5)
    assert whole.figures["presence"].value == pytest.approx(0.5)
    assert whole.figures["iou"].value == pytest.approx(0.5)
    assert whole.figures["recall"].value == 1
    assert whole.figures["recall"].low < 0.6  # four empty labels of twenty say little
    lines = {line.what: line for line in others}
    assert lines["dog, score 0.5 to 0.7"].figures["precision"].value == 0
    assert lines["dog, score 0.9 to 1"].figures["precision"].value == 1
    # Four of ten that are all right.
    assert lines["dog, score 0.9 to 1"].figures["precision"].low == pytest.approx(0.610, abs=1e-3)


def test_a_sample_that_is_not_reviewed_is_told_with_what_is_left(output: str) -> None:
    with pytest.raises(BadInput, match="12 of its labels without a verdict"):
        certify(Review(output, Storage()), 4)


def test_the_gate_holds_the_lower_bound_to_a_number(capsys, output: str) -> None:
    code, _, err = run(capsys, "certify", output, "--each", "5")
    assert code == 2
    assert "15 of its labels" in err
    review_sample(output, 5)
    code, out, _ = run(capsys, "certify", output, "--each", "5", "--require", "precision=0.75")
    assert code == 0
    assert "precision 1.000" in out
    strict = ("--require", "precision=0.8", "--json")
    code, out, err = run(capsys, "certify", output, "--each", "5", *strict)
    assert code == 1
    assert "falls short: precision: at least 0.788" in err
    written = json.loads((Path(output) / "certificate.json").read_text())
    assert written == json.loads(out)
    assert written["falls_short"]
    assert "<td>1.000 (0.788 to 1.000)</td>" in (Path(output) / "certificate.html").read_text()
    assert run(capsys, "certify", output, "--require", "speed=1")[0] == 2
    assert run(capsys, "certify", output, "--require", "precision=much")[0] == 2


def test_a_page_shows_names_as_text(output: str) -> None:
    review_sample(output, 1)
    certificate = certify(Review(output, Storage()), 1)
    hostile = type(certificate)("<script>", "f", 1, certificate.lines)
    assert "<script>" not in page_of(hostile)


def test_a_mended_mask_counts_by_its_iou_and_a_missed_object_against_recall(output: str) -> None:
    review_sample(output, 20)
    say(output, "01", "corrected", DOG, square(5, 5, 10) | square(15, 5, 10))
    say(output, "02", "corrected", CAT, MADE)
    figures = certify(Review(output, Storage()), 20).lines[0].figures
    assert figures["iou"].value == pytest.approx((19 + 0.5) / 20)
    assert figures["precision"].value == pytest.approx(19 / 20)
    assert figures["recall"].value == pytest.approx(20 / 21)


def test_a_mean_iou_of_masks_that_are_all_right_is_not_known_to_be_of_all(output: str) -> None:
    review_sample(output, 2)
    figures = certify(Review(output, Storage()), 2).lines[0].figures
    assert figures["iou"].value == 1
    assert figures["iou"].low < 0.7


def test_another_jobs_sample_is_drawn_anew(output: str) -> None:
    """What was said of a sample may be learned from; the same images would then be judged again."""
    before = Review(output, Storage())
    index = replace(before.index, salt=np.uint64(12345678901234567890))
    samples = [draw_sample(one, 5)[DOG.id, 4].tolist() for one in (before.index, index)]
    assert samples[0] != samples[1]


def test_a_mask_for_review_counts_as_missed_since_no_export_takes_it(tmp_path: Path) -> None:
    rows = []
    for number in range(10):
        decided = {"probability": 0.5, "decision": "review" if number < 4 else "labelled"}
        rows += [row(f"{number}", CAT, NOTHING), row(f"{number}", DOG, MADE) | decided]
    commit_units(str(tmp_path), [(rows, [])])
    review_sample(str(tmp_path), 10)
    certificate = certify(Review(str(tmp_path), Storage()), 10)
    lines = {line.what: line for line in certificate.lines}
    assert lines["dog"].figures["recall"].value == pytest.approx(0.6)
    assert (lines["dog, for review"].judged, lines["dog, for review"].figures) == (4, {})
