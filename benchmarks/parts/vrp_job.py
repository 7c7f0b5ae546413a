"""Networks of full size, photos, references and our masks, for the benchmarks of VRP-SAM."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as coco_mask
from torch import Tensor

from benchmarks.parts.figure import Figure, faster, in_turns, one_thread
from benchmarks.parts.naive import NaiveVrp
from model.checkpoints.load import Loader
from model.masks.upsample import mask_at
from model.methods.vrp import VrpNetworks, VrpSegmenter, load_vrp
from model.networks.attention.choice import use_fast_attention
from model.networks.device import Precision
from model.segmenter import LoadedReference
from pipeline.masks.runs import encode_rle
from schemas.job.method import Vrp
from schemas.job.networks import Backbone, Sam

SIZE_HW = (480, 640)
NETWORKS = "SAM ViT-B and ResNet-50, random weights, 640 x 480, one thread"


def networks(precision: Precision) -> VrpNetworks:
    """Return ViT-B, ResNet-50 and a VRP encoder with random weights; positions not zero."""
    method = Vrp(
        type="vrp",
        weights="random:1",
        sam=Sam(type="vit_b", weights="random:2"),
        backbone=Backbone(type="resnet50", weights="random:3"),
    )
    loaded = load_vrp(method, Loader("cpu", precision))
    torch.manual_seed(0)
    for block in loaded.sam.image_encoder.blocks:
        for name, table in (("rows_hhC", "rel_pos_h"), ("columns_wwC", "rel_pos_w")):
            assert hasattr(block.attn, name)
            torch.nn.init.normal_(getattr(block.attn, table), std=0.05)
            delattr(block.attn, name)
    return loaded


def photo(seed: int) -> np.ndarray:
    """Return uint8 RGB noise at several scales, which compresses about as a photo does."""
    draw = np.random.default_rng(seed)
    total = np.zeros((*SIZE_HW, 3))
    for cells in (4, 16, 64):
        coarse = draw.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        large = Image.fromarray(coarse).resize((SIZE_HW[1], SIZE_HW[0]), Image.Resampling.BICUBIC)
        total += np.asarray(large) / 3
    return np.clip(total, 0, 255).astype(np.uint8)


def references(categories: int, each: int) -> list[LoadedReference]:
    """Return annotated images: a rectangle of 15 % of the image."""
    mask_HW = np.zeros(SIZE_HW, dtype=bool)
    mask_HW[120:306, 200:448] = True
    return [
        LoadedReference(f"{category}-{n}", category, photo(1000 * category + n), mask_HW)
        for category in range(1, categories + 1)
        for n in range(each)
    ]


def our_masks(
    segmenter: VrpSegmenter, image_HW3: np.ndarray, embedding_Dhw: Tensor | None = None
) -> list[Any]:
    """Return a COCO run-length mask for each category, as the product makes its rows of them."""
    (predictions,) = segmenter.segment([image_HW3], [embedding_Dhw])
    return [encode_rle(mask_at(one, SIZE_HW, 0.0)) for one in predictions]


def pixels_changed(ours: Sequence[Any], theirs: Sequence[Any]) -> int:
    """Return in how many pixels the masks differ."""
    together = zip(ours, theirs, strict=True)
    return sum(int((coco_mask.decode(a) != coco_mask.decode(b)).sum()) for a, b in together)


def job_figure(precision: Precision, target: float) -> Figure:
    """Label one image with 5 categories of a reference each, whose study is not timed."""
    one_thread()
    loaded = networks(precision)
    shown = references(5, 1)
    naive = NaiveVrp(copy.deepcopy(loaded), shown)
    use_fast_attention(loaded.sam.image_encoder)
    segmenter = VrpSegmenter(loaded, shown)
    image = photo(7)
    made: dict[str, list[Any]] = {}
    pairs = in_turns(
        lambda: made.update(ours=our_masks(segmenter, image)),
        lambda: made.update(naive=naive.label(image)),
        1 if precision == "fp32" else 2,
    )
    changed = pixels_changed(made["ours"], made["naive"])
    lit = sum(int(coco_mask.area(one)) for one in made["naive"])
    about = (
        f"5 categories, 1 reference each, {precision}, against a naive loop that encodes once: "
        f"{NETWORKS}; {changed} of {lit} mask pixels differ"
    )
    return faster(f"job_{precision}", pairs, target, about)
