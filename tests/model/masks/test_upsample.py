"""Masks from low-resolution logits: every pixel of the full upsample, computed where it can be."""

import numpy as np
import pytest
import torch
from segment_anything.modeling import Sam
from torch.nn import functional as F

from model.masks.upsample import logits_at, mask_at, stability
from model.networks.pixels import letterbox_hw
from model.networks.sam import build_sam
from model.segmenter import Frame, Prediction


def smooth_logits(seed: int, side: int = 64) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, 1, 8, 8, generator=generator)
    return F.interpolate(coarse, (side, side), mode="bicubic")[0, 0].numpy().copy()


def prediction(
    logits_hw: np.ndarray, frame: Frame = "squash", align_corners: bool = False
) -> Prediction:
    return Prediction(1, logits_hw, 0.5, frame, align_corners=align_corners)


def upsampled(
    logits_hw: np.ndarray, size_HW: tuple[int, int], align_corners: bool = False
) -> np.ndarray:
    logits = torch.from_numpy(logits_hw)[None, None]
    return F.interpolate(logits, size_HW, mode="bilinear", align_corners=align_corners)[
        0, 0
    ].numpy()


@pytest.mark.parametrize("size_HW", [(1, 1), (37, 200), (480, 640), (64, 64), (1500, 900)])
@pytest.mark.parametrize("threshold", [0.0, 1.5, -3.0, 2.6])
@pytest.mark.parametrize("align_corners", [False, True])
def test_a_mask_has_every_pixel_of_the_full_upsample(
    size_HW: tuple[int, int], threshold: float, align_corners: bool
) -> None:
    for seed in range(4):
        logits = smooth_logits(seed)
        full = upsampled(logits, size_HW, align_corners)
        seen = prediction(logits, align_corners=align_corners)
        mask = mask_at(seen, size_HW, threshold)
        # Both round in float32, in another order: only pixels on the threshold itself may differ.
        decided = np.abs(full - threshold) > 1e-6
        assert (mask == (full > threshold))[decided].all()


def test_logits_with_aligned_corners_are_torchs() -> None:
    logits = smooth_logits(1)
    seen = prediction(logits, align_corners=True)
    given = logits_at(seen, (100, 150), (slice(0, 100), slice(0, 150)))
    np.testing.assert_allclose(given, upsampled(logits, (100, 150), True), atol=1e-5)


def test_an_object_of_one_cell_is_found_in_a_large_image() -> None:
    logits = np.full((256, 256), -1.0, dtype=np.float32)
    logits[200, 31] = 4.0
    mask = mask_at(prediction(logits), (3000, 4000), 0.0)
    assert (mask == (upsampled(logits, (3000, 4000)) > 0)).all()
    assert 0 < mask.sum() < 1000


def test_nothing_above_the_threshold_is_an_empty_mask_of_the_image_size() -> None:
    mask = mask_at(prediction(np.full((64, 64), -0.1, dtype=np.float32)), (30, 50), 0.0)
    assert mask.shape == (30, 50)
    assert not mask.any()


def test_a_mask_lies_in_the_order_that_coco_reads() -> None:
    for frame in ("squash", "letterbox"):
        mask = mask_at(prediction(smooth_logits(0), frame), (48, 64), 0.0)
        assert mask.dtype == bool
        assert mask.flags.f_contiguous


@pytest.fixture(scope="module")
def sam() -> Sam:
    return build_sam("nano")


@pytest.mark.parametrize("size_HW", [(256, 256), (213, 320), (640, 427), (90, 31)])
def test_a_letterboxed_mask_is_sams_own(sam: Sam, size_HW: tuple[int, int]) -> None:
    logits = smooth_logits(3)
    masks = sam.postprocess_masks(
        torch.from_numpy(logits)[None, None], letterbox_hw(size_HW, 256), size_HW
    )
    own = mask_at(prediction(logits, "letterbox"), size_HW, 0.0)
    assert (own == (masks[0, 0] > 0).numpy()).all()


def test_stability_is_the_iou_of_two_thresholds() -> None:
    logits = np.array([[-2.0, -0.5], [0.5, 2.0]], dtype=np.float32)
    assert stability(logits, 0.0) == pytest.approx(1 / 3)
    assert stability(logits, 0.0, offset=0.1) == 1.0


def test_a_mask_that_is_empty_either_way_has_no_stability() -> None:
    assert stability(np.full((4, 4), -9.0, dtype=np.float32), 0.0) == 0.0
