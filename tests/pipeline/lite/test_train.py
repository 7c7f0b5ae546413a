"""Training lite: the rate, a step that learns, and a run that goes on where it stopped."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.networks.lite.trunk import build_trunk
from model.training.lite import coarsened, step_losses
from pipeline.lite.draw import Episodes
from pipeline.lite.tally import Tally
from pipeline.lite.train import LiteLearner, LiteRecipe
from tests.made.pictures import entry, filled

RECIPE = LiteRecipe(steps=100, targets=2, warmup=10, cooldown=0.2)


def test_the_rate_warms_up_holds_and_falls_to_nothing() -> None:
    rates = [RECIPE.rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(RECIPE.rate / 10)
    assert rates[9] == rates[80] == RECIPE.rate
    assert rates[90] == pytest.approx(RECIPE.rate / 2)
    assert rates[100] == 0


def test_a_step_changes_what_learns_and_the_average_but_not_the_trunk(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trunk = build_trunk()
    learner = LiteLearner(trunk, replace(RECIPE, warmup=1))
    before = {k: v.clone() for k, v in learner.networks.state_dict().items()}
    entries = [entry("cup", origin=f"g{n}", complete=True) for n in range(3)]
    episodes = Episodes(filled(*entries, room=3), targets=2, garments=frozenset())
    batch = coarsened(episodes.draw(np.random.default_rng(0)))
    losses = step_losses(learner.networks, batch, None)
    assert all(torch.isfinite(loss) for loss in losses.values())
    learner.learn(losses)
    changed = {k for k, v in learner.networks.state_dict().items() if not v.equal(before[k])}
    assert changed
    assert not any(".trunk." in key for key in changed)
    learner.save(tmp_path / "lite.pt")
    again = LiteLearner(trunk, RECIPE)
    again.resume(tmp_path / "lite.pt")
    assert again.step == 1
    for key, value in learner.networks.learned().items():
        assert value.equal(again.networks.learned()[key])
        assert learner.average[key].equal(again.average[key])
    assert not list(tmp_path.glob("*.part"))


def test_miou_is_the_mean_over_categories_of_summed_overlaps() -> None:
    tally = Tally()
    full, half, none = np.ones((2, 2), bool), np.eye(2, dtype=bool), np.zeros((2, 2), bool)
    tally.add("cup", half, full)
    tally.add("cup", full, full)
    tally.add("fork", none, full)
    assert tally.miou() == pytest.approx((6 / 8 + 0) / 2)
    low, high = tally.interval(tally.miou)
    assert low <= tally.miou() <= high
