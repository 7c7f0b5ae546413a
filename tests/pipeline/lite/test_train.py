"""Training lite: the rate, a step that learns, and a run that goes on where it stopped."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.networks.lite.sam import trunk_of
from model.networks.lite.trunk import build_trunk, published_trunk
from model.training.lite import LiteBatch
from pipeline.lite.draw import Episodes
from pipeline.lite.pictures import SIDE
from pipeline.lite.tally import Tally
from pipeline.lite.train import ADAPTING, LiteLearner, LiteRecipe, batch_of, steps_done
from pipeline.lite.weights import load_trained, published_state
from tests.made.pixels.pictures import entry, filled

CPU = torch.device("cpu")
RECIPE = LiteRecipe(steps=100, targets=2, warmup=10, cooldown=0.2)


def test_the_rate_warms_up_holds_and_falls_to_nothing() -> None:
    rates = [RECIPE.rate_at(step) for step in range(101)]
    assert rates[0] == pytest.approx(RECIPE.rate / 10)
    assert rates[9] == rates[80] == RECIPE.rate
    assert rates[90] == pytest.approx(RECIPE.rate / 2)
    assert rates[100] == 0


def batch_for(learner: LiteLearner) -> LiteBatch:
    """A batch of three pictures of noise that all show a cup."""
    entries = [entry("cup", origin=f"g{n}", complete=True) for n in range(3)]
    episodes = Episodes(filled(*entries, room=3), targets=2, garments=frozenset())
    pixels = np.random.default_rng(0).integers(0, 255, (3, SIDE, SIDE, 3), dtype=np.uint8)
    learner.store.add([0, 1, 2], pixels)
    return batch_of(episodes.draw(np.random.default_rng(0)), learner.store, CPU)


def test_adapting_teaches_the_encoder_alone_from_the_published_weights() -> None:
    recipe = replace(ADAPTING, warmup=1, targets=2, bank=3)
    learner = LiteLearner(build_trunk(), recipe, CPU)
    learner.begin_with(published_state())
    before = {k: v.clone() for k, v in learner.learned().items()}
    losses = learner.losses(batch_for(learner))
    assert "sam" not in losses
    learner.learn(losses)
    changed = {k for k, v in learner.learned().items() if not v.equal(before[k])}
    assert changed
    assert all(name.startswith("vrp.") for name in changed)
    published = published_state()
    assert all(before[k].equal(published[k]) for k in published)


@pytest.mark.parametrize("trunk_rate", [0.0, 0.1])
def test_a_step_changes_what_learns_and_its_average_and_nothing_else(
    tmp_path: Path, trunk_rate: float
) -> None:
    torch.manual_seed(0)
    trunk = build_trunk()
    recipe = replace(RECIPE, warmup=1, full=1.0, second=1.0, trunk_rate=trunk_rate, bank=3)
    learner = LiteLearner(trunk, recipe, CPU)
    before = {k: v.clone() for k, v in trunk.state_dict().items()}
    networks = {k: v.clone() for k, v in learner.networks.state_dict().items()}
    batch = batch_for(learner)
    losses = learner.losses(batch)
    assert {"mask", "again", "sam", "present"} <= losses.keys()
    assert all(torch.isfinite(loss) for loss in losses.values())
    learner.learn(losses)
    assert any(not v.equal(networks[k]) for k, v in learner.networks.state_dict().items())
    moved = any(not v.equal(before[k]) for k, v in trunk.state_dict().items())
    assert moved == (trunk_rate > 0)
    learner.save(tmp_path / "lite.pt")
    again = LiteLearner(build_trunk(), recipe, CPU)
    again.resume(tmp_path / "lite.pt")
    assert again.step == steps_done(tmp_path / "lite.pt") == 1
    for key, value in learner.learned().items():
        assert value.equal(again.learned()[key])
        assert learner.average[key].equal(again.average[key])
    assert not list(tmp_path.glob("*.part"))


def test_what_was_trained_is_scored_on_the_trunk_that_it_learned_on(tmp_path: Path) -> None:
    """Clicks are answered from an image's own pixels, not from maps that were made beside."""
    learner = LiteLearner(build_trunk(), replace(RECIPE, bank=3), CPU)
    learner.save(tmp_path / "lite.pt")
    found = trunk_of(load_trained(tmp_path / "lite.pt").networks.sam).state_dict()
    published = published_trunk().state_dict()
    assert found.keys() == published.keys()
    assert all(found[name].equal(published[name]) for name in published)


def test_miou_is_the_mean_over_categories_of_summed_overlaps() -> None:
    tally = Tally()
    full, half, none = np.ones((2, 2), bool), np.eye(2, dtype=bool), np.zeros((2, 2), bool)
    tally.add("cup", half, full)
    tally.add("cup", full, full)
    tally.add("fork", none, full)
    assert tally.miou() == pytest.approx((6 / 8 + 0) / 2)
    low, high = tally.interval(tally.miou)
    assert low <= tally.miou() <= high
