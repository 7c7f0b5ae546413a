"""Our SAM path against segment_anything's predictor: the same masks, pixel for pixel, in fp32."""

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import Sam
from torch.nn import functional as F

from model.mask import mask_at
from model.mask_decoder import decode
from model.pixels import letterbox, normalise
from model.sam import SAM_SIZES, build_sam, dense_position
from model.segmenter import Prediction

SIZES = [(40, 56), (300, 120), (64, 64)]


@pytest.fixture(scope="module")
def sam() -> Sam:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        return build_sam("nano")


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def ours(sam: Sam, image_HW3: np.ndarray, points=None, boxes=None) -> Prediction:
    side = sam.image_encoder.img_size
    pixels_13hw = normalise(letterbox(image_HW3, side))
    h, w = pixels_13hw.shape[-2:]
    padded = F.pad(pixels_13hw, (0, side - w, 0, side - h))
    sparse_1ND, dense_1Dhw = sam.prompt_encoder(points=points, boxes=boxes, masks=None)
    logits_BKhw, score_BK = decode(
        sam.mask_decoder,
        sam.image_encoder(padded) + dense_1Dhw,
        dense_position(sam),
        sparse_1ND[:, None],
    )
    return Prediction(1, logits_BKhw[0, 0].numpy(), float(score_BK[0, 0]), "letterbox")


@torch.inference_mode()
@pytest.mark.parametrize("size_HW", SIZES)
@pytest.mark.parametrize("kind", ["points", "box"])
def test_masks_and_scores_are_those_of_sam_predictor(
    sam: Sam, size_HW: tuple[int, int], kind: str
) -> None:
    image = photo(*size_HW)
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    points_N2 = np.array([[10.0, 12.0], [30.0, 20.0]])
    labels_N = np.array([1, 0])
    box = np.array([5.0, 6.0, 40.0, 35.0])
    if kind == "points":
        theirs, scores, logits = predictor.predict(points_N2, labels_N, multimask_output=False)
        scaled = predictor.transform.apply_coords(points_N2, size_HW)
        coordinates = torch.from_numpy(scaled)[None].float()
        prediction = ours(sam, image, points=(coordinates, torch.from_numpy(labels_N)[None]))
    else:
        theirs, scores, logits = predictor.predict(box=box, multimask_output=False)
        scaled = predictor.transform.apply_boxes(box[None], size_HW)
        prediction = ours(sam, image, boxes=torch.from_numpy(scaled).float())
    # Only the last bits differ: one mask token is multiplied here, four of them there.
    np.testing.assert_allclose(prediction.logits_hw, logits[0], rtol=0, atol=1e-7)
    np.testing.assert_array_equal(mask_at(prediction, size_HW, 0.0), theirs[0])
    assert prediction.score == pytest.approx(float(scores[0]), abs=1e-6)


@pytest.mark.parametrize(
    ("sam_type", "tensors", "parameters"),
    [("vit_b", 314, 93_735_472), ("vit_l", 482, 312_342_832), ("vit_h", 594, 641_090_608)],
)
def test_the_official_sizes_have_the_official_tensors(sam_type, tensors, parameters) -> None:
    with torch.device("meta"):
        sam = build_sam(sam_type)
    state = sam.state_dict()
    assert len([key for key in state if not key.startswith("pixel_")]) == tensors
    assert sum(p.numel() for p in sam.parameters()) == parameters


def test_the_nano_size_is_small_enough_to_commit() -> None:
    with torch.device("meta"):
        sam = build_sam("nano")
    assert SAM_SIZES["nano"].image_px == 256
    assert sum(p.numel() for p in sam.parameters()) * 2 < 16e6  # bytes, in 16 bits
