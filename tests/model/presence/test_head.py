"""Signals become probabilities and decisions that hold what they promise."""

from dataclasses import replace

import numpy as np
import pytest

from model.presence.decide import (
    Wanted,
    at_share,
    calibrate,
    decide,
    probability,
    thresholds,
)
from model.presence.head import Examples, FittedFor, fit_head, log_odds
from model.presence.signals import OF_FEATURES, OF_MASK
from model.scores.presence import calibration_error, false_masks_at_recall, risk_coverage
from schemas.errors import BadInput
from schemas.record.presence import PresenceChoice, PresenceHead

NAMES = (*OF_MASK, *OF_FEATURES)
ABOUT = FittedFor("vrp", "nano", "nano", ("own",))


def clouds(count: int, seed: int) -> Examples:
    """Two clouds of signals, the present ones one deviation further along the first three."""
    rng = np.random.default_rng(seed)
    present = np.arange(count) % 2 == 0
    signals = rng.normal(size=(count, len(NAMES)))
    signals[:, :3] += 1.2 * present[:, None]
    signals[:, NAMES.index("alone")] = 0
    return Examples(NAMES, signals, present, np.arange(count) // 4)


@pytest.fixture(scope="module")
def head() -> PresenceHead:
    return fit_head(clouds(8000, 1), ABOUT, "two clouds")


def choice(head: PresenceHead, wanted: Wanted) -> PresenceChoice:
    labelled_from, absent_below = thresholds(head, wanted)
    return PresenceChoice(
        head="", scale=1, shift=0, shown=0, absent=0, share=wanted.share,
        labelled_from=labelled_from, absent_below=absent_below,
    )  # fmt: skip


def test_a_heads_probabilities_are_as_often_right_as_they_say(head: PresenceHead) -> None:
    unseen = clouds(4000, 2)
    chance = 1 / (1 + np.exp(-log_odds(head, unseen.signals_EN)))
    assert calibration_error(chance, unseen.present_E) < 0.03
    assert false_masks_at_recall(chance, unseen.present_E) < 0.5


@pytest.mark.parametrize("there", [True, False])
def test_examples_of_one_kind_alone_are_refused(there: bool) -> None:
    drawn = clouds(200, 6)
    one = replace(drawn, present_E=np.full(200, there))
    with pytest.raises(BadInput, match=f"{200 * there} examples in which the object is there"):
        fit_head(one, ABOUT, "two clouds")


def test_how_often_lone_categories_were_there_in_the_examples_says_nothing() -> None:
    drawn = clouds(4000, 5)
    # Three quarters of the lone ones are there, and a quarter of the others.
    alone_E = (np.arange(4000) // 2 % 4 < 3) == drawn.present_E
    drawn.signals_EN[:, NAMES.index("alone")] = alone_E
    head = fit_head(drawn, ABOUT, "two clouds")
    assert drawn.present_E[alone_E].mean() == 0.75
    assert head.weights[NAMES.index("alone")] == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_labels_are_as_precise_as_asked_for_in_a_collection_of_that_share(
    head: PresenceHead, share: float
) -> None:
    chosen = choice(head, Wanted(precision=0.9, recall=None, share=share))
    unseen = clouds(8000, 3)
    odds = log_odds(head, unseen.signals_EN)
    labelled = np.array([decide(probability(x, chosen), chosen) == "labelled" for x in odds])
    right = share * labelled[unseen.present_E].mean()
    wrong = (1 - share) * labelled[~unseen.present_E].mean()
    assert right / (right + wrong) == pytest.approx(0.9, abs=0.03)


def test_a_recall_alone_leaves_nothing_for_review(head: PresenceHead) -> None:
    chosen = choice(head, Wanted(precision=None, recall=0.9, share=0.5))
    unseen = clouds(8000, 4)
    decisions = np.array(
        [decide(probability(x, chosen), chosen) for x in log_odds(head, unseen.signals_EN)]
    )
    assert (decisions[unseen.present_E] == "labelled").mean() == pytest.approx(0.9, abs=0.03)
    assert "review" not in decisions


def test_a_precision_leaves_what_may_be_there_for_review(head: PresenceHead) -> None:
    chosen = choice(head, Wanted(precision=0.95, recall=None, share=0.5))
    unseen = clouds(8000, 5)
    decisions = np.array(
        [decide(probability(x, chosen), chosen) for x in log_odds(head, unseen.signals_EN)]
    )
    assert set(decisions) == {"labelled", "absent", "review"}
    assert (decisions[unseen.present_E] == "absent").mean() == pytest.approx(0.05, abs=0.02)


def test_a_precision_that_no_example_reached_is_refused(head: PresenceHead) -> None:
    alike = head.model_copy(update={"present": head.absent})
    with pytest.raises(BadInput, match=r"at most 0\.0"):
        thresholds(alike, Wanted(precision=0.999, recall=None, share=0.01))


def test_that_none_was_wrong_among_few_promises_little_where_the_object_is_rare(
    head: PresenceHead,
) -> None:
    apart = head.model_copy(update={"present": (5.0,) * 101, "absent": (-5.0,) * 101})
    rare = Wanted(precision=0.95, recall=None, share=0.05)
    few, many = (apart.model_copy(update={"absent_examples": n}) for n in (300, 500))
    with pytest.raises(BadInput, match="300 examples without it"):
        thresholds(few, rare)
    labelled_from, _ = thresholds(many, rare)
    assert labelled_from == pytest.approx(at_share(5.0, 0.05))


def test_where_the_object_is_rarest_the_absent_are_still_told_from_the_rest(
    head: PresenceHead,
) -> None:
    chosen = choice(head, Wanted(precision=None, recall=0.9, share=1e-5))
    assert decide(probability(-12.0, chosen), chosen) == "absent"
    assert decide(probability(12.0, chosen), chosen) == "labelled"


def test_a_job_that_says_too_little_leaves_the_head_as_it_is() -> None:
    assert calibrate([3.0, 2.0, 4.0, 1.0], [True] * 4) == (1.0, 0.0)
    assert calibrate([3.0, -2.0], [True, False]) == (1.0, 0.0)


def test_a_jobs_negatives_move_its_probabilities_down_where_the_head_was_too_sure() -> None:
    odds = [3.0, 3.5, 2.5, 2.0, 1.0, 1.5, 0.5, 2.0]
    _, shift = calibrate(odds, [True] * 4 + [False] * 4)
    assert shift < -0.5


def test_of_the_surest_decisions_fewer_are_wrong() -> None:
    rng = np.random.default_rng(0)
    chance = rng.random(5000)
    curve = risk_coverage(chance, rng.random(5000) < chance)
    assert curve[0][1] < curve[-1][1]
    assert curve[-1][0] == 1.0


def test_no_pair_has_no_figure() -> None:
    none = np.array([])
    assert np.isnan(calibration_error(none, none))
    assert np.isnan(false_masks_at_recall(np.ones(3), np.ones(3)))
    assert risk_coverage(none, none) == []


def test_a_recall_alone_leaves_nothing_for_review_and_a_lower_one_labels_less(
    head: PresenceHead,
) -> None:
    chosen = [thresholds(head, Wanted(None, recall, 0.5)) for recall in (0.95, 0.8, 0.6)]
    assert all(labelled == absent for labelled, absent in chosen)
    assert chosen == sorted(chosen)
    assert chosen[0] < chosen[-1]
