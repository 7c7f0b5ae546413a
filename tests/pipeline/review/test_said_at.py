"""Of several verdicts on a label the one said last counts, whenever each of them comes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.output.verdicts import read_verdicts
from pipeline.review import review as of_review
from pipeline.review.review import Review, Said, said_at
from pipeline.storage.place import Place
from schemas.job.storage import Storage
from schemas.record.verdict import Verdict
from tests.made.outputs.labels import DOG
from tests.made.outputs.output import make_output

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
NONE, HOUR = timedelta(0), timedelta(hours=1)


def said(verdict: Verdict, seconds_ago: float = 0) -> Said:
    return Said(image_id="a/0", category_id=DOG.id, verdict=verdict, seconds_ago=seconds_ago)


def counts(output: str) -> str:
    return read_verdicts(Place.open(output, Storage()), "f")["a/0", DOG.id]["verdict"]


@pytest.fixture
def output(tmp_path: Path) -> str:
    return make_output(tmp_path)[0]


def test_a_verdict_counts_from_when_it_was_said_but_as_it_comes_where_clocks_cannot_tell() -> None:
    step = timedelta(microseconds=1)
    assert said_at(NOW, NONE, None) == NOW
    assert said_at(NOW, HOUR, None) == NOW - HOUR
    assert said_at(NOW, HOUR, NOW - HOUR / 2) == NOW - HOUR  # the known one was said after it
    near = NOW - HOUR + timedelta(seconds=1)
    assert said_at(NOW, HOUR, near) == near + step
    assert said_at(NOW, NONE, NOW) == NOW + step
    assert said_at(NOW, NONE, NOW + HOUR) == NOW + HOUR + step  # stamped by a clock ahead


def test_a_verdict_that_comes_late_does_not_take_back_a_later_correction(output: str) -> None:
    late, other = Review(output, Storage()), Review(output, Storage())
    other.say("bob", [said("absent")])
    late.say("ann", [said("accepted", seconds_ago=60)])
    assert counts(output) == "absent"
    late.say("ann", [said("rejected")])
    assert counts(output) == "rejected"


def test_of_late_ones_an_undo_follows_what_it_undoes(output: str) -> None:
    review = Review(output, Storage())
    review.say("ann", [said("accepted", 60.5), said("withdrawn", 60)])
    assert counts(output) == "withdrawn"
    review.say("ann", [said("accepted", 50)])
    review.say("ann", [said("withdrawn", 50.4)])  # by clocks alone it would come before
    assert counts(output) == "withdrawn"


def test_what_a_clock_ahead_stamped_is_overruled_by_who_has_seen_it(
    output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + HOUR

    monkeypatch.setattr(of_review, "datetime", Ahead)
    Review(output, Storage()).say("ann", [said("accepted")])
    monkeypatch.undo()
    Review(output, Storage()).say("bob", [said("rejected")])
    assert counts(output) == "rejected"
