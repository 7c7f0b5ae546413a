"""TinyViT as SAM's image encoder: that of MobileSAM, by timm's network.

MobileSAM (Zhang et al. 2023, "Faster Segment Anything") is SAM ViT-H with its image encoder
distilled into TinyViT-5M (Wu et al., ECCV 2022), 6 million parameters in place of 637: embeddings
of the same kind for SAM's own decoder. Its last stage keeps the stride of the one before, so that
1024 pixels become 64 x 64 cells.
"""

from collections.abc import Mapping
from typing import cast

import timm
import torch
from segment_anything.modeling.common import LayerNorm2d
from timm.models.tiny_vit import Attention, PatchMerging, TinyVit, TinyVitStage
from torch import Tensor, nn

CLASSIFIER = ("image_encoder.norm_head.", "image_encoder.head.")

# The published file's names, and timm's.
NAMES = {".c.": ".conv.", "patch_embed.seq.0.": "patch_embed.conv1.", "seq.2.": "conv2."}


class BroadcastAttention(Attention):
    """timm's attention, its bias with a dimension for the windows: [1, heads, N, N].

    Without one torch has no fused kernel for it on a CPU: in bf16 an image took 1.27 times as long.
    """

    def get_attention_biases(self, device: torch.device) -> Tensor:
        """Return the bias of every pair of cells, for every head."""
        return super().get_attention_biases(device)[None]


class TinyVitEncoder(nn.Module):
    """TinyViT-5M and SAM's neck."""

    def __init__(self, image_px: int, out_channels: int) -> None:
        super().__init__()
        self.img_size = image_px
        net = cast(TinyVit, timm.create_model("tiny_vit_5m_224", num_classes=0, drop_path_rate=0.0))
        last = cast(PatchMerging, cast(TinyVitStage, net.stages[3]).downsample)
        last.conv2.conv.stride = (1, 1)
        for module in net.modules():
            if isinstance(module, Attention):
                module.__class__ = BroadcastAttention
        self.patch_embed = net.patch_embed
        self.stages = net.stages
        self.neck = nn.Sequential(
            nn.Conv2d(net.num_features, out_channels, 1, bias=False),
            LayerNorm2d(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            LayerNorm2d(out_channels),
        )
        # On a CPU a fifth faster in bf16: what lies between its convolutions wants channels last.
        self.to(memory_format=torch.channels_last)

    def forward(self, images_B3HW: Tensor) -> Tensor:
        """Embed normalised images of `img_size`: [B, C, h, w] at stride 16."""
        return self.neck(self.stages(self.patch_embed(images_B3HW)))


def mobile_sam_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename mobile_sam.pt to the names of `build_sam("vit_t")`; drop its classifier."""
    return {_renamed(key): state[key] for key in state if not key.startswith(CLASSIFIER)}


def _renamed(key: str) -> str:
    """Return a tensor's name; a stage merges patches first, where the file's does so last."""
    head, layers, rest = key.partition("image_encoder.layers.")
    if layers and not head:
        number, _, rest = rest.partition(".")
        stage = int(number) + rest.startswith("downsample.")
        key = f"image_encoder.stages.{stage}.{rest}"
    if key.startswith("image_encoder."):
        for old, new in NAMES.items():
            key = key.replace(old, new)
    return key
