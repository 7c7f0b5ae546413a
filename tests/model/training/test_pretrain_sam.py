"""Pretraining asks segment_anything's networks exactly what its own code would ask them."""

import pytest
import torch

from model.networks.sam import build_sam, dense_position
from model.training.pretrain_backbone import dense_loss, prototype_loss, pseudo_mask_loss
from model.training.pretrain_sam import (
    CORNERS,
    POSITIVE,
    PromptBatch,
    Window,
    decode_all,
    embed_prompts,
    encode,
    prompt_loss,
    shrink,
    soft_iou,
)

WHOLE = Window(0, 0, 16)


@pytest.fixture(scope="module")
def sam():
    torch.manual_seed(0)
    return build_sam("nano")


def prompt(points: list[list[float]], labels: list[int], is_points: bool) -> PromptBatch:
    nothing = torch.zeros(1, 64, 64)
    return PromptBatch(
        torch.tensor([points]),
        torch.tensor([labels]),
        torch.zeros(1, dtype=torch.long),
        nothing,
        nothing,
        is_points,
    )


def test_points_are_embedded_as_the_prompt_encoder_does(sam) -> None:
    points, labels = [[10.0, 20.0], [100.0, 7.0]], [1, 0]
    wanted, _ = sam.prompt_encoder((torch.tensor([points]), torch.tensor([labels])), None, None)
    torch.testing.assert_close(embed_prompts(sam, prompt(points, labels, True)), wanted)


def test_a_box_is_embedded_as_the_prompt_encoder_does(sam) -> None:
    corners = [[10.0, 20.0], [100.0, 70.0]]
    wanted, _ = sam.prompt_encoder(None, torch.tensor([[10.0, 20.0, 100.0, 70.0]]), None)
    torch.testing.assert_close(embed_prompts(sam, prompt(corners, list(CORNERS), False)), wanted)


def test_all_masks_are_those_of_the_stock_decoder(sam) -> None:
    embedding = torch.randn(1, 128, 16, 16)
    tokens = embed_prompts(sam, prompt([[30.0, 40.0]], [POSITIVE], True))
    dense = sam.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1).expand(1, -1, 16, 16)
    with torch.no_grad():
        wanted, scores = sam.mask_decoder.predict_masks(
            embedding, dense_position(sam), tokens, dense
        )
        got, got_scores = decode_all(sam, embedding, dense_position(sam), tokens)
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(got_scores, scores, atol=1e-5, rtol=1e-4)


def test_the_whole_window_is_the_whole_encoder(sam) -> None:
    images = torch.randn(1, 3, 256, 256)
    with torch.no_grad():
        wanted = sam.image_encoder(images)
        torch.testing.assert_close(encode(sam.image_encoder, images, WHOLE), wanted)


def test_a_window_keeps_its_cells_positions(sam) -> None:
    window = Window(top=3, left=5, cells=6)
    position = dense_position(sam)
    torch.testing.assert_close(window.crop(position), position[:, :, 3:9, 5:11])
    assert window.crop(torch.zeros(256, 256), 16).shape == (96, 96)
    with torch.no_grad():
        assert encode(sam.image_encoder, torch.zeros(1, 3, 96, 96), window).shape[-2:] == (6, 6)


def test_an_empty_mask_of_an_absent_object_has_iou_one() -> None:
    nothing, everything = torch.full((1, 1, 4, 4), -5.0), torch.full((1, 1, 4, 4), 5.0)
    assert soft_iou(nothing, torch.zeros(1, 4, 4)).item() == 1
    assert soft_iou(everything, torch.zeros(1, 4, 4)).item() == 0
    assert soft_iou(everything, torch.full((1, 4, 4), 0.25)).item() == 0.25


def test_the_right_mask_costs_less_than_the_wrong_one() -> None:
    truth = torch.zeros(1, 8, 8)
    truth[:, :4] = 1
    asked = prompt([[1.0, 1.0]], [POSITIVE], True)
    asked = PromptBatch(asked.points_PT2, asked.labels_PT, asked.image_P, truth, truth, True)
    right = ((truth * 2 - 1) * 6)[:, None].expand(1, 4, 8, 8)
    good = prompt_loss(right, torch.ones(1, 4), asked)
    assert good < prompt_loss(-right, torch.zeros(1, 4), asked) / 5
    assert good < prompt_loss(right, torch.zeros(1, 4), asked)


def test_shrinking_keeps_the_area() -> None:
    mask = torch.zeros(1, 16, 16, dtype=torch.bool)
    mask[:, 3:10, 2:9] = True
    assert shrink(mask, 4).sum() * 16 == mask.sum()


def test_cells_that_point_to_their_category_cost_less_and_borders_cost_nothing() -> None:
    classifier = torch.nn.Linear(4, 3)
    labels = torch.tensor([[[0, 1], [2, -1]]])
    right = classifier.weight.detach()[labels.clamp(min=0)].permute(0, 3, 1, 2)
    wrong = classifier.weight.detach()[(labels.clamp(min=0) + 1) % 3].permute(0, 3, 1, 2)
    assert dense_loss(classifier, right, labels) < dense_loss(classifier, wrong, labels)
    moved = right.clone()
    moved[..., 1, 1] = 100.0
    assert dense_loss(classifier, moved, labels) == dense_loss(classifier, right, labels)


def test_prototypes_compare_categories_that_no_classifier_knows() -> None:
    labels = torch.tensor([[[0, 7]], [[7, 0]]])
    clear = torch.zeros(2, 2, 1, 2)
    clear[0, :, 0] = torch.eye(2)
    clear[1, :, 0] = torch.eye(2).flip(1)
    alike = torch.ones(2, 2, 1, 2)
    assert prototype_loss(clear, labels) < prototype_loss(alike, labels)


def test_a_pseudo_mask_costs_less_where_only_the_category_is_like_itself() -> None:
    labels_Bhw = torch.tensor([[[0, 1], [2, 2]], [[1, 1], [0, 0]]])
    one_hot_BChw = torch.eye(3)[labels_Bhw].permute(0, 3, 1, 2)
    assert pseudo_mask_loss(one_hot_BChw, labels_Bhw, group=2) < 0.01
    assert pseudo_mask_loss(torch.ones_like(one_hot_BChw), labels_Bhw, group=2) > 1
    nothing = torch.zeros_like(labels_Bhw)
    assert pseudo_mask_loss(one_hot_BChw, nothing, group=2) == 0
