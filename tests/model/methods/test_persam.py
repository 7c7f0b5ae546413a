"""PerSAM and PerSAM-F against numbers that the authors' public code gives for the same weights.

The numbers were printed by its persam.py and persam_f.py (commit a7e8724, unchanged), with this
network in place of ViT-H and these pictures in place of a data set's. Images are not square.
"""

import numpy as np
import pytest
import torch

from model.masks.upsample import mask_at
from model.methods.features import FeatureEncoder
from model.methods.location import attention_guidance, locate, study
from model.methods.persam import PersamSegmenter
from model.methods.persam_f import PersamFSegmenter
from model.methods.prompted_sam import PromptedNetworks, PromptedSam
from model.segmenter import LoadedReference
from schemas.job.method import Persam, PersamF
from schemas.job.networks import Sam
from tests.made.networks.narrow_sam import ellipse, narrow_sam, patches

SIZES = [(213, 320), (180, 240), (300, 200)]
IMAGES = [patches(number, *size) for number, size in enumerate(SIZES)]
REFERENCE = LoadedReference("r", 1, IMAGES[0], ellipse(*SIZES[0]))
SPEC = Sam(type="nano", weights="random")  # names no weights here: the networks are handed over
EPOCHS = 100


@pytest.fixture(scope="module")
def networks() -> PromptedNetworks:
    return PromptedNetworks(narrow_sam(), None)


# Per image: the likeliest pixel, the least likely, the map's maximum, and its values at three.
MEAN = [
    ((227, 53), (0, 0), 0.988157, (0.943892, 0.950380, 0.923848)),
    ((148, 113), (0, 169), 0.988946, (0.944962, 0.954308, 0.973403)),
    ((167, 241), (0, 190), 0.985249, (0.970890, 0.963427, 0.911636)),
]
MEAN_AND_MAX = [
    ((237, 212), None, 0.922583, (0.801342, 0.825750, 0.808807)),
    ((148, 177), None, 0.917504, (0.859308, 0.852331, 0.823339)),
    ((53, 227), None, 0.903053, (0.822391, 0.811901, 0.791065)),
]


@torch.no_grad()
@pytest.mark.parametrize(
    ("pooling", "expected"), [("mean", MEAN), ("mean_and_max", MEAN_AND_MAX)], ids=["mean", "both"]
)
def test_confidence_maps_and_points_are_those_of_the_public_code(
    networks: PromptedNetworks, pooling: str, expected: list[tuple]
) -> None:
    encoder = FeatureEncoder(PromptedSam(networks.sam, "letterbox"), networks.backbone)
    targets = study(encoder, [REFERENCE], "mean" if pooling == "mean" else "mean_and_max")
    for image, size, (likeliest, least, greatest, values) in zip(
        IMAGES, SIZES, expected, strict=True
    ):
        (found, map_HW), *_ = locate(encoder, encoder.encode([image]), targets, [size])
        assert found.positive_xy == likeliest
        assert least is None or found.negative_xy == least
        assert found.presence == pytest.approx(greatest, abs=1e-5)
        seen = [float(map_HW[y, x]) for y, x in ((10, 20), (100, 50), (150, 190))]
        assert seen == pytest.approx(values, abs=1e-5)


# Per image: the best mask's predicted IoU, its area, and its low-resolution logits at three places.
PERSAM = [
    (1.913054, 49235, (-0.19905, -0.30290, -0.30783)),
    (2.604004, 32439, (0.31407, 0.48255, 0.46441)),
    (2.296028, 46059, (-0.15184, -0.28060, -0.26918)),
]
PERSAM_F = [
    (1.909581, 16420, (0.23735, 0.54860, 0.47647)),
    (1.796926, 31103, (0.36977, 0.54653, 0.54763)),
    (2.007905, 32339, (-0.19997, -0.11671, -0.06099)),
]


@pytest.mark.parametrize("name", ["persam", "persam_f"])
def test_masks_are_those_of_the_public_code(networks: PromptedNetworks, name: str) -> None:
    if name == "persam":
        method = Persam(type="persam", sam=SPEC)
        segmenter, expected = PersamSegmenter(networks, [REFERENCE], method), PERSAM
    else:
        method = PersamF(type="persam_f", sam=SPEC, epochs=EPOCHS)
        segmenter, expected = PersamFSegmenter(networks, [REFERENCE], method), PERSAM_F
        learned = segmenter.mask_weights_K3[0].tolist()
        assert learned == pytest.approx([0.328537, 0.381197, 0.290266], abs=1e-4)
    predictions = segmenter.segment(IMAGES)
    for (prediction,), size, (score, area_px, values) in zip(
        predictions, SIZES, expected, strict=True
    ):
        assert prediction.score == pytest.approx(score, abs=1e-3)
        seen = [float(prediction.logits_hw[y, x]) for y, x in ((20, 30), (100, 100), (60, 200))]
        assert seen == pytest.approx(values, abs=1e-3)
        # Identical on the machine that made the numbers; elsewhere a logit next to 0 may differ.
        area = np.count_nonzero(mask_at(prediction, size, 0.0))
        assert area == pytest.approx(area_px, rel=0.002)


def test_guidance_lies_where_the_image_lies_or_over_everything(networks: PromptedNetworks) -> None:
    sam = PromptedSam(networks.sam, "letterbox")
    map_HW = torch.zeros(100, 200)
    map_HW[50:] = 1  # the lower half of an image that covers the upper half of SAM's input
    stretched = attention_guidance(map_HW, sam, "public_code").unflatten(0, (64, 64))
    aligned = attention_guidance(map_HW, sam, "aligned").unflatten(0, (64, 64))
    assert (stretched[:31] < 0.5).all()
    assert (stretched[33:] > 0.5).all()
    assert (aligned[:15] < 0.5).all()
    assert (aligned[17:31] > 0.5).all()
    assert (aligned[33:] < 0.5).all()
