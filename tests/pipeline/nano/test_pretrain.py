"""Pretraining batches ask for what they show; a step teaches every network; export round-trips."""

from pathlib import Path

import numpy as np
import pytest
import torch

from model.build import check_weights
from model.checkpoints.state_dict import read_card, read_state_dict
from model.training.pretrain_sam import NEGATIVE, POSITIVE, Window
from pipeline.nano.batch import MOST_OF_AN_INSTANCE, PALETTES, NanoBatch, draw_batch
from pipeline.nano.export import Provenance, export_weights, load_pretrained
from pipeline.nano.pretrain import NanoNetworks, NanoRecipe, NanoStage, step_losses
from pipeline.scenes.categories import BASE
from pipeline.scenes.groups import SceneGroup, draw_group
from schemas.errors import BadWeights
from schemas.job.method import Vrp
from schemas.job.networks import Backbone, Sam
from schemas.record.card import SamCard

WINDOW = Window(top=2, left=4, cells=8)
WHOLE = Window(top=0, left=0, cells=16)


@pytest.fixture(scope="module")
def group() -> SceneGroup:
    return draw_group(9, 0, BASE)


@pytest.fixture(scope="module")
def batch(group: SceneGroup) -> NanoBatch:
    lessons = ("prompts", "contents", "cells")
    return draw_batch([group], 6, WINDOW, np.random.default_rng(2), lessons)


@pytest.fixture(scope="module")
def networks() -> NanoNetworks:
    torch.manual_seed(0)
    return NanoNetworks()


def test_positive_points_lie_on_what_they_ask_for(batch: NanoBatch) -> None:
    assert batch.points is not None
    for points, labels, truth in zip(
        batch.points.points_PT2, batch.points.labels_PT, batch.points.truth_Phw, strict=True
    ):
        cells = ((points - torch.tensor([64, 32])) / 4).long()
        inside = truth[cells[:, 1], cells[:, 0]]
        assert (inside[labels == POSITIVE] > 0).all()
        assert (inside[labels == NEGATIVE] < 1).all()


def test_what_a_prompt_may_also_mean_contains_what_it_asks_for(batch: NanoBatch) -> None:
    for prompts in (batch.boxes, batch.points):
        assert prompts is not None
        assert (prompts.wider_Phw >= prompts.truth_Phw).all()


def test_few_points_ask_for_an_object_and_many_for_its_category(group: SceneGroup) -> None:
    counts = set()
    for seed in range(12):
        points = draw_batch([group], 6, WINDOW, np.random.default_rng(seed)).points
        assert points is not None
        count = points.points_PT2.shape[1]
        counts.add(count > MOST_OF_AN_INSTANCE)
        if count > MOST_OF_AN_INSTANCE:
            torch.testing.assert_close(points.truth_Phw, points.wider_Phw)
    assert counts == {True, False}


def test_a_group_in_other_colours_has_other_labels_and_the_same_objects(group: SceneGroup) -> None:
    seen: dict[int, NanoBatch] = {}
    for seed in range(60):
        drawn = draw_batch([group], 6, WHOLE, np.random.default_rng(seed))
        labels = drawn.labels_BHW[drawn.labels_BHW > 0] - 1
        palettes = (labels // len(BASE)).unique()
        assert len(palettes) == 1, "one palette a group"
        seen[int(palettes)] = drawn
    assert set(seen) == set(range(len(PALETTES)))
    bare = {k: (batch.labels_BHW - 1).remainder(len(BASE)).unique() for k, batch in seen.items()}
    for palette, labels in bare.items():
        torch.testing.assert_close(labels, bare[0], msg=f"palette {palette}")


def test_contents_ask_for_a_category_by_cells_that_show_it(group: SceneGroup) -> None:
    drawn = draw_batch([group, group], 6, WHOLE, np.random.default_rng(3), ("prompts", "contents"))
    contents = drawn.contents
    assert contents is not None
    for shown, cells, asked, truth in zip(
        contents.shown_P, contents.cells_PT, contents.image_P, contents.truth_Phw, strict=True
    ):
        labels = drawn.labels_BHW[shown][8::16, 8::16].flatten()[cells].unique()
        assert len(labels) == 1
        assert labels > 0
        found = (drawn.labels_BHW[asked] == labels).float().mean()
        torch.testing.assert_close(truth.mean(), found)


def test_the_same_generator_draws_the_same_batch(group: SceneGroup, batch: NanoBatch) -> None:
    again = draw_batch([group], 6, WINDOW, np.random.default_rng(2))
    torch.testing.assert_close(again.images_B3HW, batch.images_B3HW)
    assert again.points is not None
    assert batch.points is not None
    torch.testing.assert_close(again.points.points_PT2, batch.points.points_PT2)


def test_a_step_teaches_every_network(networks: NanoNetworks, batch: NanoBatch) -> None:
    losses = step_losses(networks, batch, ("prompts", "contents", "cells", "pseudo_masks"))
    total = torch.stack([v for k, v in losses.items() if not k.startswith("iou_")]).sum()
    total.backward()
    for part in (networks.sam.image_encoder, networks.sam.mask_decoder, networks.backbone):
        assert all(p.grad is not None and p.grad.isfinite().all() for p in part.parameters())
    assert networks.classifier.weight.grad is not None
    assert networks.sam_classifier.weight.grad is not None


def test_the_rate_warms_up_and_falls_to_its_last_share() -> None:
    stage = NanoStage(100, ("cells",), warmup=10, last=0.01)
    rates = [stage.rate_at(step) for step in range(100)]
    assert rates[0] < rates[9]
    assert max(rates) == rates[10] == stage.rate
    assert rates[-1] < stage.rate * 0.02


def test_stages_follow_each_other_with_their_own_steps() -> None:
    stages = (NanoStage(3, ("cells",)), NanoStage(2, ("prompts",)))
    recipe = NanoRecipe(stages=stages)
    assert recipe.steps == 5
    assert [recipe.stage_at(step) for step in (0, 2, 3, 4)] == [
        (stages[0], 0),
        (stages[0], 2),
        (stages[1], 0),
        (stages[1], 1),
    ]


def test_exported_weights_fit_the_method_and_carry_their_cards(
    networks: NanoNetworks, tmp_path: Path
) -> None:
    provenance = Provenance(machine="a test", commit="abc", steps=3, hours=0.1)
    paths = export_weights(networks, NanoRecipe(), provenance, {"sam_box_iou": 0.5}, tmp_path)
    sam, backbone = (str(path) for path in paths)
    method = Vrp(
        type="vrp",
        weights="random",
        sam=Sam(type="nano", weights=sam),
        backbone=Backbone(type="nano", weights=backbone),
    )
    check_weights(method)
    card = read_card(paths[0])
    assert isinstance(card, SamCard)
    assert card.metrics == {"sam_box_iou": 0.5}
    assert card.training.commit == "abc"
    state = read_state_dict(paths[0])
    kept = networks.sam.state_dict()["mask_decoder.iou_token.weight"]
    torch.testing.assert_close(
        state["mask_decoder.iou_token.weight"].float(), kept, atol=1e-3, rtol=1e-3
    )


def test_exporting_before_training_names_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=r"pretrain\.pt"):
        load_pretrained(tmp_path / "pretrain.pt")
