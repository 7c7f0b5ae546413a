"""A SAM of 1024 pixels, 64 x 64 cells and next to no width, its weights and pictures by formula.

PerSAM's public code has the 64 x 64 cells written into it, so nano's 16 x 16 will not do.
"""

import math
from functools import partial

import numpy as np
import torch
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)
from torch import nn


def narrow_sam() -> Sam:
    """Return the network in eval mode; the same numbers on every platform."""
    sam = Sam(
        image_encoder=ImageEncoderViT(
            img_size=1024,
            patch_size=16,
            embed_dim=32,
            depth=2,
            num_heads=2,
            mlp_ratio=2,
            out_chans=32,
            qkv_bias=True,
            # segment_anything annotates a class here and is itself called with this partial.
            norm_layer=partial(nn.LayerNorm, eps=1e-6),  # pyright: ignore[reportArgumentType]
            use_rel_pos=True,
            window_size=14,
            global_attn_indexes=(),
        ),
        prompt_encoder=PromptEncoder(32, (64, 64), (1024, 1024), 16),
        mask_decoder=MaskDecoder(
            transformer_dim=32,
            transformer=TwoWayTransformer(depth=2, embedding_dim=32, num_heads=4, mlp_dim=64),
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=32,
        ),
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    )
    sam.load_state_dict(weights_by_formula(sam), strict=False)
    return sam.eval()


def weights_by_formula(sam: nn.Module, seed: int = 9) -> dict[str, torch.Tensor]:
    """Return a weight for every key of the state dict, in the order of their names.

    With seed 9 the masks of all the pictures are neither empty nor full.
    """
    made = {}
    for number, (name, value) in enumerate(sorted(sam.state_dict().items())):
        scale = 3 / math.sqrt(value[0].numel()) if value.ndim > 1 else 0.3
        if "token" in name or "embed" in name or "gaussian" in name:
            scale = 1.0
        made[name] = torch.from_numpy(
            drawn(1000 * seed + number, tuple(value.shape)) * np.float32(scale)
        )
        if "norm" in name and name.endswith("weight"):
            made[name] = made[name] + 1
    return made


def drawn(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return float32 between -1 and 1 from raw words, which numpy promises never to change."""
    words = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(int(np.prod(shape)))
    return ((words >> np.uint64(11)) * 2.0**-52 - 1).astype(np.float32).reshape(shape)


def patches(seed: int, height: int, width: int) -> np.ndarray:
    """Return a uint8 RGB image of squares of 16 pixels."""
    colours = drawn(seed, (height // 16 + 1, width // 16 + 1, 3)) * 127 + 128
    pixels = colours.repeat(16, axis=0).repeat(16, axis=1)
    return pixels[:height, :width].astype(np.uint8)


def ellipse(height: int, width: int) -> np.ndarray:
    """Return the bool mask of an ellipse near the middle of an image."""
    y, x = np.mgrid[:height, :width]
    across, down = (x - width * 0.5) / (width * 0.25), (y - height * 0.45) / (height * 0.3)
    return across**2 + down**2 < 1
