"""SAM's image encoder on one image, ours against segment_anything's: both precisions."""

import copy
from typing import cast

import torch
from segment_anything.modeling.image_encoder import Attention

from benchmarks.parts.figure import Figure, faster, in_turns, one_thread
from model.networks.attention.choice import use_fast_attention
from model.networks.device import Precision
from model.networks.sam import build_sam

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
REPEATS = 3


@torch.inference_mode()
def encoder_figure(precision: Precision, target: float) -> Figure:
    """Time ViT-B with random weights on one image of 1024 x 1024, one thread."""
    one_thread()
    torch.manual_seed(0)
    theirs = build_sam("vit_b").image_encoder
    for block in theirs.blocks:  # segment_anything begins with zeros
        attention = cast(Attention, block.attn)
        torch.nn.init.normal_(attention.rel_pos_h, std=0.05)
        torch.nn.init.normal_(attention.rel_pos_w, std=0.05)
    theirs = theirs.to(DTYPES[precision])
    ours = copy.deepcopy(theirs)
    forms = use_fast_attention(ours)
    assert forms is not None
    image = torch.randn(1, 3, 1024, 1024).to(DTYPES[precision])
    error = float((ours(image).float() - theirs(image).float()).abs().max())
    pairs = in_turns(lambda: ours(image), lambda: theirs(image), REPEATS)
    about = (
        f"SAM ViT-B's image encoder, {precision}, random weights, one thread; attention of whole "
        f"images {forms.whole}, of windows {forms.window}; greatest difference {error:.1e}"
    )
    return faster(f"encoder_{precision}", pairs, target, about)
