"""PerSAM-F's two numbers: what they learn, and that they are learned once."""

from pathlib import Path

import pytest
import torch

from model.methods import mask_weights
from model.methods.mask_weights import Recipe, Scales, cached_mask_weights, train_mask_weights


def scales(right: int, seed: int = 0) -> Scales:
    """Logits of which only the scale `right` shows the truth."""
    generator = torch.Generator().manual_seed(seed)
    truth_N = (torch.rand(400, generator=generator) > 0.6).float()
    logits_3N = torch.randn(3, 400, generator=generator)
    logits_3N[right] = (truth_N * 2 - 1) * 3
    return Scales(logits_3N, truth_N)


@pytest.mark.parametrize("right", [0, 1, 2])
def test_the_scale_that_shows_the_truth_gains_weight(right: int) -> None:
    weights_3 = train_mask_weights([scales(right)], Recipe(epochs=200, learning_rate=1e-2))
    assert weights_3.argmax() == right
    assert weights_3[right] > 0.5
    assert weights_3.sum() == pytest.approx(1, abs=1e-6)


def test_training_starts_from_equal_weights() -> None:
    weights_3 = train_mask_weights([scales(0)], Recipe(epochs=1, learning_rate=1e-9))
    torch.testing.assert_close(weights_3, torch.full((3,), 1 / 3), rtol=0, atol=1e-6)


def test_all_references_are_trained_on() -> None:
    recipe = Recipe(epochs=50, learning_rate=1e-2)
    both = train_mask_weights([scales(0, 1), scales(2, 2)], recipe)
    for alone in (
        train_mask_weights([scales(0, 1)], recipe),
        train_mask_weights([scales(2, 2)], recipe),
    ):
        assert (both - alone).abs().max() > 1e-3


def test_what_was_learned_is_found_by_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(epochs=5)
    learned = cached_mask_weights([scales(1)], recipe, tmp_path)
    monkeypatch.setattr(mask_weights, "train_mask_weights", lambda *_: torch.zeros(3))
    assert torch.equal(cached_mask_weights([scales(1)], recipe, tmp_path), learned)
    other = [cached_mask_weights([scales(1, seed=1)], recipe, tmp_path)]
    other.append(cached_mask_weights([scales(1)], Recipe(epochs=6), tmp_path))
    other.append(cached_mask_weights([scales(1)], recipe, None))
    assert all(torch.equal(weights, torch.zeros(3)) for weights in other)
