"""VRP-SAM on nano networks: its size, and masks that depend on nothing but image and references."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from model.backbone import BACKBONES
from model.build import build_segmenter
from model.segmenter import LoadedReference, Prediction, Segmenter
from model.vrp_encoder import VrpEncoder
from schemas.method import BackboneType, Vrp, VrpReading
from schemas.reference import Box, Points, Scribbles


def photo(seed: int, height: int = 40, width: int = 56) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def object_mask(height: int = 40, width: int = 56) -> np.ndarray:
    mask_HW = np.zeros((height, width), dtype=bool)
    mask_HW[8:30, 10:40] = True
    return mask_HW


MASK = LoadedReference("m", 1, photo(100), object_mask())
BOX = LoadedReference("b", 1, photo(101), Box(type="box", xyxy=(3, 4, 30, 25)))
POINTS = LoadedReference("p", 2, photo(102), Points(type="points", points=((5.0, 6.0),)))
SCRIBBLE = LoadedReference(
    "s", 2, photo(103), Scribbles(type="scribbles", strokes=(((2.0, 2.0), (30.0, 20.0)),))
)
OTHER = LoadedReference("o", 1, photo(104), object_mask())


def vrp(reading: VrpReading | None = None) -> Vrp:
    nano = {"type": "nano", "weights": "random:3"}
    method = {"type": "vrp", "weights": "random:4", "sam": nano, "backbone": nano}
    found = Vrp.model_validate(method)
    return found.model_copy(update={"reading": reading}) if reading else found


def build(*references: LoadedReference, reading: VrpReading | None = None) -> Segmenter:
    return build_segmenter(vrp(reading), references, "cpu", "fp32")


def same(left: Sequence[Prediction], right: Sequence[Prediction], tolerance: float = 0.0) -> None:
    for one, other in zip(left, right, strict=True):
        assert one.category_id == other.category_id
        np.testing.assert_allclose(one.logits_hw, other.logits_hw, rtol=0, atol=tolerance)
        assert abs(one.score - other.score) <= tolerance


@pytest.mark.parametrize(
    ("backbone", "parameters"),
    [
        ("resnet50", 1_592_064),
        ("resnet50s", 1_592_064),
        ("vgg16_bn", 1_395_456),
        ("dinov2_vitb14", 1_592_064),
        ("dinov2_vitl14", 1_723_136),
        ("dinov3_vitb16", 1_592_064),
    ],
)
def test_the_encoder_learns_exactly_as_many_parameters_as_published(
    backbone: BackboneType, parameters: int
) -> None:
    encoder = VrpEncoder(BACKBONES[backbone].mid_channels, 256, 50, VrpReading())
    assert sum(p.numel() for p in encoder.parameters() if p.requires_grad) == parameters


def test_an_image_alone_and_in_a_batch_has_the_same_masks() -> None:
    segmenter = build(MASK, POINTS)
    images = [photo(1), photo(2, 33, 80), photo(3, 90, 20)]
    together = segmenter.segment(images)
    for image, predictions in zip(images, together, strict=True):
        (alone,) = segmenter.segment([image])
        same(alone, predictions)


def test_one_thread_and_two_give_the_same_mask() -> None:
    threads = torch.get_num_threads()
    masks = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            (predictions,) = build(MASK, POINTS).segment([photo(1)])
            masks.append([p.logits_hw > 0 for p in predictions])
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(masks[0], masks[1])


def test_predictions_come_in_the_order_of_the_category_ids() -> None:
    (predictions,) = build(POINTS, MASK).segment([photo(1)])
    assert [prediction.category_id for prediction in predictions] == [1, 2]


def test_padding_for_a_category_with_more_references_changes_nothing() -> None:
    (padded,) = build(MASK, BOX, OTHER, POINTS).segment([photo(1)])
    (alone,) = build(POINTS).segment([photo(1)])
    (three,) = build(MASK, BOX, OTHER).segment([photo(1)])
    # Sums of fewer or more terms round differently; nothing else does.
    same([padded[1]], alone, tolerance=2e-5)
    same([padded[0]], three, tolerance=2e-5)


def test_every_mixture_of_formats_makes_a_prompt() -> None:
    (predictions,) = build(MASK, BOX, POINTS, SCRIBBLE).segment([photo(1)])
    assert all(np.isfinite(prediction.logits_hw).all() for prediction in predictions)


@pytest.mark.parametrize(
    "change",
    [{"pseudo_mask": "raw"}, {"mask_scale": 10.0}, {"masked_block5": True}],
)
def test_every_choice_of_the_reading_reaches_the_mask(change: dict) -> None:
    (paper,) = build(MASK).segment([photo(1)])
    (other,) = build(MASK, reading=VrpReading().model_copy(update=change)).segment([photo(1)])
    assert np.abs(paper[0].logits_hw - other[0].logits_hw).max() > 0


def test_random_weights_are_those_of_their_seed() -> None:
    (first,) = build(MASK).segment([photo(1)])
    torch.manual_seed(99)
    (second,) = build(MASK).segment([photo(1)])
    same(first, second)
