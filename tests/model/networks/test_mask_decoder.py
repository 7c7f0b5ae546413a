"""The decoder over images and categories, against segment_anything's own, one at a time."""

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional as F

from model.masks.upsample import mask_at
from model.networks import mask_decoder
from model.networks.mask_decoder import decode
from model.networks.pixels import letterbox, normalise
from model.networks.sam import build_sam, dense_position
from model.segmenter import Prediction
from tests.made.pixels.waves import picture, stir

SIZES_HW = [(213, 320), (256, 256), (400, 130)]


@pytest.fixture(scope="module")
def sam() -> Sam:
    sam = build_sam("nano")
    stir(sam, 1)
    return sam


def embed(sam: Sam, image: np.ndarray) -> Tensor:
    """SAM's embedding of a letterboxed image with its dense prompt."""
    side_px = sam.image_encoder.img_size
    pixels = normalise(letterbox(image, side_px))
    h, w = pixels.shape[-2:]
    padded = F.pad(pixels, (0, side_px - w, 0, side_px - h))
    no_mask = sam.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1)
    return sam.image_encoder(padded) + no_mask


@torch.no_grad()
@pytest.mark.parametrize("size_HW", SIZES_HW)
@pytest.mark.parametrize("prompt", ["points", "box"])
def test_points_and_boxes_give_the_masks_of_sams_own_predictor(
    sam: Sam, size_HW: tuple[int, int], prompt: str
) -> None:
    image = picture(3, *size_HW)
    predictor = SamPredictor(sam)
    predictor.set_image(image)
    height, width = size_HW
    points = np.array([[width * 0.3, height * 0.4], [width * 0.7, height * 0.9]])
    box = np.array([width * 0.2, height * 0.1, width * 0.8, height * 0.6])
    labels = np.array([1, 0])
    masks, scores, low = (
        predictor.predict(points, labels, multimask_output=False)
        if prompt == "points"
        else predictor.predict(box=box, multimask_output=False)
    )

    frame = predictor.transform
    if prompt == "points":
        coords = torch.as_tensor(frame.apply_coords(points, size_HW), dtype=torch.float)
        tokens, _ = sam.prompt_encoder((coords[None], torch.as_tensor(labels)[None]), None, None)
    else:
        boxes = torch.as_tensor(frame.apply_boxes(box, size_HW), dtype=torch.float)
        tokens, _ = sam.prompt_encoder(None, boxes, None)
    logits, score = decode(
        sam.mask_decoder, embed(sam, image), dense_position(sam), tokens[:, None]
    )
    prediction = Prediction(1, logits[0, 0].numpy(), float(score), "letterbox")

    assert (prediction.logits_hw == low[0]).all()
    assert prediction.score == scores[0]
    assert (mask_at(prediction, size_HW, sam.mask_threshold) == masks[0]).all()


def prompts(sam: Sam, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(*shape, sam.prompt_encoder.embed_dim, generator=generator)


def embeddings(sam: Sam, images: int) -> Tensor:
    grid = sam.prompt_encoder.image_embedding_size
    generator = torch.Generator().manual_seed(6)
    return torch.randn(images, sam.prompt_encoder.embed_dim, *grid, generator=generator)


@torch.no_grad()
@pytest.mark.parametrize("pairs_per_call", [1, 4, 64])
def test_images_and_categories_in_one_call_are_those_of_the_stock_decoder_one_by_one(
    sam: Sam, monkeypatch: pytest.MonkeyPatch, pairs_per_call: int
) -> None:
    monkeypatch.setattr(mask_decoder, "PAIRS_PER_CALL", pairs_per_call)
    embedding_BDhw, prompts_BKND = embeddings(sam, 3), prompts(sam, 3, 4, 7)
    logits, scores = decode(sam.mask_decoder, embedding_BDhw, dense_position(sam), prompts_BKND)
    for image in range(3):
        stock_logits, stock_scores = sam.mask_decoder(
            image_embeddings=embedding_BDhw[image : image + 1],
            image_pe=dense_position(sam),
            sparse_prompt_embeddings=prompts_BKND[image],
            dense_prompt_embeddings=torch.zeros(1, 1, 1, 1),
            multimask_output=False,
        )
        torch.testing.assert_close(logits[image], stock_logits[:, 0], rtol=0, atol=1e-5)
        torch.testing.assert_close(scores[image], stock_scores[:, 0], rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(
    ("dtype", "shape_BKN", "greatest", "calls"),
    [
        (torch.bfloat16, (3, 20, 50), 60, 1),
        (torch.bfloat16, (5, 20, 50), 60, 2),
        (torch.bfloat16, (1, 64, 50), 64, 1),
        (torch.float32, (1, 64, 50), 64, 1),
        (torch.bfloat16, (1, 1203, 50), 64, 19),
        (torch.float32, (1, 1203, 250), 29, 42),
    ],
)
def test_a_call_on_a_gpu_has_no_more_pairs_than_fit_into_memory(
    monkeypatch: pytest.MonkeyPatch,
    dtype: torch.dtype,
    shape_BKN: tuple[int, int, int],
    greatest: int,
    calls: int,
) -> None:
    asked: list[int] = []

    def decode_images(*given: Tensor) -> tuple[Tensor, Tensor]:
        asked.append(len(given[3]))
        return given[3].new_empty(len(given[3]), 4, 1, 1), given[3].new_empty(len(given[3]), 4)

    monkeypatch.setattr(mask_decoder, "_decode_images", decode_images)
    with torch.device("meta"):
        decoder = build_sam("vit_b").mask_decoder
        embedding_BDhw = torch.empty(shape_BKN[0], 256, 64, 64, dtype=dtype)
        prompts_BKND = torch.empty(*shape_BKN, 256, dtype=dtype)
        logits, _ = decode(decoder, embedding_BDhw, embedding_BDhw[:1], prompts_BKND)
    assert (max(asked), len(asked)) == (greatest, calls)
    assert logits.shape[:2] == shape_BKN[:2]


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_padding_changes_nothing_whatever_it_holds(dtype: torch.dtype) -> None:
    sam = build_sam("nano")
    stir(sam, 1)
    position = dense_position(sam).to(dtype)
    decoder = sam.mask_decoder.to(dtype)
    embedding_BDhw, prompts_BKND = embeddings(sam, 2).to(dtype), prompts(sam, 2, 3, 15).to(dtype)
    lengths = [5, 15, 10]
    padding_KN = torch.arange(15) >= torch.tensor(lengths)[:, None]
    prompts_BKND[padding_KN.expand(2, -1, -1)] = 1e4
    logits, scores = decode(decoder, embedding_BDhw, position, prompts_BKND, padding_KN)
    for category, length in enumerate(lengths):
        alone = prompts_BKND[:, category : category + 1, :length]
        logits_alone, scores_alone = decode(decoder, embedding_BDhw, position, alone)
        tolerance = 1e-5 if dtype == torch.float32 else 0.03
        torch.testing.assert_close(
            logits[:, category], logits_alone[:, 0], rtol=tolerance, atol=tolerance
        )
        torch.testing.assert_close(
            scores[:, category], scores_alone[:, 0], rtol=tolerance, atol=tolerance
        )
