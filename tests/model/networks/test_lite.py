"""The lite networks: one pass for all, and what references and prompts ask of them."""

import numpy as np
import pytest
import timm
import torch
from torch import Tensor

from model.networks.lite.answer import FEWEST_CELLS, answer_references, sure_cells
from model.networks.lite.sam import LiteVrp, build_lite_sam
from model.networks.lite.similarity import Surroundings, best_by_pair, best_masked, likenesses
from model.networks.lite.trunk import GRID, INPUT_PX, build_trunk, fold, load_trunk

SIDE = GRID // 2


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(2, 3, INPUT_PX, INPUT_PX, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_the_embedding_of_an_image_is_the_neck_of_the_maps_that_references_are_compared_on(
    images: Tensor,
) -> None:
    trunk = build_trunk()
    sam = build_lite_sam(trunk)
    maps = trunk(images)
    assert maps.mid_BChw.shape == (2, 168, GRID, GRID)
    assert maps.high_BChw.shape == (2, 472, SIDE, SIDE)
    embedded = sam.image_encoder(images)
    assert embedded.shape == (2, 128, GRID, GRID)
    torch.testing.assert_close(embedded, sam.image_encoder.neck(maps))  # pyright: ignore[reportCallIssue]


@torch.no_grad()
def test_folding_changes_no_map(images: Tensor) -> None:
    trunk = build_trunk()
    before = trunk(images)
    fold(trunk)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in trunk.modules())
    after = trunk(images)
    torch.testing.assert_close(before.high_BChw, after.high_BChw, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(before.mid_BChw, after.mid_BChw, rtol=1e-3, atol=1e-3)


def test_published_tensors_of_other_shapes_are_refused() -> None:
    other = timm.create_model("tf_efficientnet_lite0").state_dict()
    with pytest.raises(RuntimeError, match=r"size mismatch|Missing"):
        load_trunk(build_trunk(), other)


@torch.no_grad()
def test_a_pair_is_answered_alike_alone_and_among_others(images: Tensor) -> None:
    trunk, vrp = build_trunk(), LiteVrp().eval()
    torch.nn.init.normal_(vrp.similarity.dense.weight)
    sam = build_lite_sam(trunk)
    maps = trunk(images)
    masks_Rhw = torch.zeros(2, GRID, GRID)
    masks_Rhw[0, 4:20, 4:20] = 1
    masks_Rhw[1, 30:31, 30:31] = 1
    studied = vrp.study(maps, masks_Rhw)
    target = trunk(images[:1])
    both = answer_references(sam, vrp, target, studied, shots=1)
    assert both.logits_PHW.shape == (2, 4 * GRID, 4 * GRID)
    for pair in range(2):
        alone = answer_references(sam, vrp, target, studied.chosen(torch.tensor([pair])), shots=1)
        torch.testing.assert_close(alone.logits_PHW[0], both.logits_PHW[pair], rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(alone.score_P[0], both.score_P[pair], rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_of_several_references_the_best_three_ask_again_whatever_their_order(
    images: Tensor,
) -> None:
    trunk, vrp = build_trunk(), LiteVrp().eval()
    torch.nn.init.normal_(vrp.similarity.dense.weight)
    sam = build_lite_sam(trunk)
    masks_Rhw = torch.zeros(4, GRID, GRID)
    for place in range(4):
        masks_Rhw[place, 4 : 12 + 8 * place, 4:20] = 1
    studied = vrp.study(trunk(images[[0, 0, 1, 1]]), masks_Rhw)
    target = trunk(images[:1])
    alone = answer_references(sam, vrp, target, studied, shots=1)
    four = answer_references(sam, vrp, target, studied, shots=4)
    assert four.logits_PHW.shape == (1, 4 * GRID, 4 * GRID)
    torch.testing.assert_close(four.present_P[0], alone.present_P.mean())
    assert alone.score_P.min() <= four.score_P[0] <= alone.score_P.max()
    turned = studied.chosen(torch.tensor([2, 0, 3, 1]))
    again = answer_references(sam, vrp, target, turned, shots=4)
    torch.testing.assert_close(again.logits_PHW, four.logits_PHW, rtol=1e-3, atol=1e-3)
    worst = int(alone.score_P.argmin())
    best = studied.chosen(torch.tensor([place for place in range(4) if place != worst]))
    torch.testing.assert_close(again.score_P, four.score_P, rtol=1e-3, atol=1e-3)
    three = answer_references(sam, vrp, target, best, shots=3)
    assert three.score_P[0] >= four.score_P[0]


def test_a_first_mask_of_nothing_is_still_studied_by_its_likeliest_cells() -> None:
    logits_PHW = torch.full((2, 2 * GRID, 2 * GRID), -9.0)
    logits_PHW[0, 20:40, 20:40] = -3
    logits_PHW[1, 20:60, 20:60] = 3
    cells_Phw = sure_cells(logits_PHW)
    assert cells_Phw[0].sum() >= FEWEST_CELLS
    assert cells_Phw[0, 10:20, 10:20].sum() == cells_Phw[0].sum()
    assert cells_Phw[1].sum() == 20 * 20


def test_points_and_strokes_thinner_than_a_cell_stay_on_the_deep_grid() -> None:
    masks_Rhw = torch.zeros(2, GRID, GRID)
    masks_Rhw[0, 10, 10] = 1
    masks_Rhw[1, 8:24, 8:24] = 1
    masks_Rhw[1, 24, 8:24] = 1
    around = Surroundings.of(masks_Rhw)
    assert around.object_RS[0].sum() == 1
    assert around.object_RS[1].sum() == 9 * 8
    assert not (around.object_RS & around.around_RS).any()


def test_what_fills_the_reference_leaves_no_surroundings_and_still_a_number() -> None:
    cells = torch.nn.functional.normalize(torch.rand(1, SIDE * SIDE, 8), dim=2)
    around = Surroundings.of(torch.ones(1, GRID, GRID))
    found = likenesses(cells, cells, around)
    assert not torch.isnan(found).any()
    np.testing.assert_allclose(found[0, 0], 1, rtol=1e-5)


def test_points_boxes_and_masks_prompt_sam_alone(images: Tensor) -> None:
    sam = build_lite_sam(build_trunk())
    with torch.no_grad():
        embedding = sam.image_encoder(images[:1])
        for prompts in (
            {"points": (torch.rand(3, 2, 2) * INPUT_PX, torch.ones(3, 2)), "boxes": None},
            {"points": None, "boxes": torch.rand(3, 4) * INPUT_PX},
        ):
            masks = torch.zeros(3, 1, 4 * GRID, 4 * GRID)
            sparse, dense = sam.prompt_encoder(**prompts, masks=masks)
            logits, scores = sam.mask_decoder(
                image_embeddings=embedding,
                image_pe=sam.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=True,
            )
            assert logits.shape == (3, 3, 4 * GRID, 4 * GRID)
            assert scores.shape == (3, 3)


def test_a_gpu_finds_the_most_similar_cell_without_cutting_out_the_chosen_ones() -> None:
    generator = torch.Generator().manual_seed(5)
    target_PSC, reference_PSC = (
        torch.nn.functional.normalize(torch.randn(3, 16, 8, generator=generator), dim=2)
        for _ in range(2)
    )
    chosen_PR = torch.rand(3, 16, generator=generator) < 0.3
    chosen_PR[1] = False
    wanted_PS = best_by_pair(target_PSC, reference_PSC, chosen_PR)
    torch.testing.assert_close(best_masked(target_PSC, reference_PSC, chosen_PR), wanted_PS)
