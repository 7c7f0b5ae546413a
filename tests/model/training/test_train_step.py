"""Losses of episodes: those of the paper, and the same in whatever batch."""

import math

import pytest
import torch

from model.checkpoints.load import Loader
from model.methods.vrp import VrpNetworks, load_vrp
from model.training.loss import mask_loss
from model.training.train_step import (
    EpisodeTensors,
    draw_dropout,
    episode_logits,
    episode_losses,
    freeze,
)
from schemas.job.method import QueryInit, Vrp
from schemas.job.networks import Backbone, Sam

NANO = Vrp(
    type="vrp",
    weights="random:1",
    sam=Sam(type="nano", weights="random:2"),
    backbone=Backbone(type="nano", weights="random:3"),
    queries=4,
)


@pytest.fixture(scope="module")
def networks() -> VrpNetworks:
    networks = load_vrp(NANO, Loader("cpu", "fp32"))
    freeze(networks, "fp32")
    return networks


def an_episode(seed: int, references: int = 1) -> EpisodeTensors:
    generator = torch.Generator().manual_seed(seed)
    annotations_Rhw = torch.zeros(references, 32, 32)
    annotations_Rhw[:, 8:20, 4 + seed : 20] = 1
    truth_HW = torch.zeros(256, 256)
    truth_HW[40:180, 60:200] = 1
    return EpisodeTensors(
        references_R3HW=torch.randn(references, 3, 256, 256, generator=generator),
        annotations_Rhw=annotations_Rhw,
        target_3HW=torch.randn(3, 256, 256, generator=generator),
        truth_HW=truth_HW,
        valid_HW=torch.ones(256, 256, dtype=torch.bool),
        seed=seed,
        sam_3HW=torch.randn(3, 256, 256, generator=generator),
    )


def test_the_loss_is_equation_6_worked_out_by_hand():
    logits_BHW = torch.tensor([[[0.0, 0.0], [0.0, 0.0]]])
    truth_BHW = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    loss_B = mask_loss(logits_BHW, truth_BHW, torch.ones(1, 2, 2, dtype=torch.bool))
    # p = 1/2 everywhere: BCE is ln 2; Dice is 1 - 2 * (1/2) / (4 * 1/4 + 1)
    assert loss_B.tolist() == pytest.approx([math.log(2) + 0.5])


def test_each_term_of_the_loss_may_stand_alone():
    logits_BHW = torch.zeros(1, 2, 2)
    truth_BHW = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    valid_BHW = torch.ones(1, 2, 2, dtype=torch.bool)
    assert mask_loss(logits_BHW, truth_BHW, valid_BHW, "bce").tolist() == [
        pytest.approx(math.log(2))
    ]
    assert mask_loss(logits_BHW, truth_BHW, valid_BHW, "dice").tolist() == [pytest.approx(0.5)]


def test_void_pixels_count_for_nothing():
    logits_BHW = torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(0))
    truth_BHW = (logits_BHW > 0.2).float()
    valid_BHW = torch.ones(1, 4, 4, dtype=torch.bool)
    valid_BHW[0, 0] = False
    loss_B = mask_loss(logits_BHW, truth_BHW, valid_BHW)
    changed_BHW = torch.where(valid_BHW, truth_BHW, 1 - truth_BHW)
    assert torch.equal(loss_B, mask_loss(logits_BHW, changed_BHW, valid_BHW))


def test_an_empty_truth_still_pushes_every_probability_down():
    logits_BHW = torch.zeros(1, 4, 4, requires_grad=True)
    empty_BHW = torch.zeros(1, 4, 4)
    mask_loss(logits_BHW, empty_BHW, torch.ones(1, 4, 4, dtype=torch.bool)).sum().backward()
    assert logits_BHW.grad is not None
    assert (logits_BHW.grad > 0).all()


def test_an_episodes_loss_does_not_depend_on_its_batch(networks: VrpNetworks):
    episodes = [an_episode(seed) for seed in (1, 2, 3)]
    with torch.no_grad():
        together = episode_losses(networks, networks.encoder, episodes)
        alone = torch.cat([episode_losses(networks, networks.encoder, [e]) for e in episodes])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_dropout_is_the_episodes_own(networks: VrpNetworks):
    both = draw_dropout([5, 6], 2, networks)
    alone = draw_dropout([6], 2, networks)
    assert torch.equal(both.target_PD[2:], alone.target_PD)
    assert torch.equal(both.reference_PD[2:], alone.reference_PD)
    assert set(both.target_PD.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(alone.target_PD, alone.reference_PD)


def test_only_the_encoder_learns(networks: VrpNetworks):
    networks.encoder.zero_grad()
    episode_losses(networks, networks.encoder, [an_episode(4, references=2)]).sum().backward()
    assert all(p.grad is not None for p in networks.encoder.parameters())
    frozen = [*networks.sam.parameters(), *networks.backbone.parameters()]
    assert all(p.grad is None and not p.requires_grad for p in frozen)


@pytest.mark.parametrize("query_init", ["foreground", "background", "half"])
def test_every_weight_learns_where_queries_begin_as_prototypes(query_init: QueryInit):
    networks = load_vrp(NANO.model_copy(update={"query_init": query_init}), Loader("cpu", "fp32"))
    freeze(networks, "fp32")
    episode_losses(networks, networks.encoder, [an_episode(4, references=2)]).sum().backward()
    named = dict(networks.encoder.named_parameters())
    assert "queries" not in named
    assert all(p.grad is not None and p.grad.any() for p in named.values())


def test_a_cached_embedding_stands_for_sams_encoder(networks: VrpNetworks):
    episode = an_episode(1)
    assert episode.sam_3HW is not None
    with torch.no_grad():
        embedding_Dhw = networks.sam.image_encoder(episode.sam_3HW[None])[0]
        computed = episode_logits(networks, networks.encoder, [episode])
        cached = EpisodeTensors(
            **{**vars(episode), "sam_3HW": None, "embedding_Dhw": embedding_Dhw.half()}
        )
        stored = episode_logits(networks, networks.encoder, [cached])
    torch.testing.assert_close(stored, computed, atol=5e-3, rtol=1e-2)


def test_in_bf16_the_weights_that_learn_stay_fp32():
    networks = load_vrp(NANO, Loader("cpu", "fp32"))
    freeze(networks, "bf16")
    assert {p.dtype for p in networks.encoder.parameters()} == {torch.float32}
    assert {p.dtype for p in networks.backbone.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in networks.sam.mask_decoder.parameters()} == {torch.bfloat16}
