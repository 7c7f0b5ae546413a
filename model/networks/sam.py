"""SAM in its sizes, built from segment_anything's own classes.

`vit_b`, `vit_l` and `vit_h` have the keys and shapes of the official checkpoints; `vit_t` is
MobileSAM (model/networks/tiny_vit.py); `nano` is the same network as theirs at 256 pixels, small
enough to be trained and run on a laptop. `lite` reads the maps of a backbone instead of pixels:
model/networks/lite/sam.py.
"""

from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)
from segment_anything.modeling.image_encoder import PatchEmbed
from torch import nn

from model.networks.lite.sam import WIDTH, build_lite_sam
from model.networks.lite.trunk import LiteTrunk, build_trunk
from model.networks.pixels import PIXEL_MEAN, PIXEL_STD
from model.networks.tiny_vit import TinyVitEncoder
from schemas.names import SamType


@dataclass(frozen=True)
class Vit:
    """The numbers that tell one of SAM's vision transformers from another."""

    width: int
    depth: int
    heads: int
    global_blocks: tuple[int, ...]
    window_cells: int = 14
    stem_channels: tuple[int, ...] = ()
    """Convolutions of stride 2 before the last one, in place of the patch projection; or none."""


@dataclass(frozen=True)
class SamSize:
    """The numbers that tell one SAM from another."""

    vit: Vit | None
    """The image encoder; None for TinyViT."""
    image_px: int = 1024
    patch_px: int = 16
    prompt_width: int = 256
    decoder_mlp: int = 2048
    iou_head: int = 256

    @property
    def grid(self) -> int:
        """Side of the image embedding, in cells; low-resolution logits are four times as wide."""
        return self.image_px // self.patch_px


SAM_SIZES: dict[SamType, SamSize] = {
    "vit_t": SamSize(None),
    "vit_b": SamSize(Vit(width=768, depth=12, heads=12, global_blocks=(2, 5, 8, 11))),
    "vit_l": SamSize(Vit(width=1024, depth=24, heads=16, global_blocks=(5, 11, 17, 23))),
    "vit_h": SamSize(Vit(width=1280, depth=32, heads=16, global_blocks=(7, 15, 23, 31))),
    "nano": SamSize(
        Vit(160, 4, 5, (0, 1, 2, 3), window_cells=0, stem_channels=(24, 48, 96)),
        image_px=256,
        prompt_width=128,
        decoder_mlp=512,
        iou_head=128,
    ),
}


def prompt_width(sam_type: SamType) -> int:
    """Return the width of a SAM's embedding and of the tokens that prompt it."""
    return WIDTH if sam_type == "lite" else SAM_SIZES[sam_type].prompt_width


def build_sam(sam_type: SamType, trunk: LiteTrunk | None = None) -> Sam:
    """Build a SAM with fresh weights, in eval mode, on the current default device.

    trunk is `lite`'s; left out, a fresh one.
    """
    if sam_type == "lite":
        return build_lite_sam(trunk or build_trunk())
    size = SAM_SIZES[sam_type]
    sam = Sam(
        image_encoder=_image_encoder(size),
        prompt_encoder=PromptEncoder(
            embed_dim=size.prompt_width,
            image_embedding_size=(size.grid, size.grid),
            input_image_size=(size.image_px, size.image_px),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=size.prompt_width,
            transformer=TwoWayTransformer(
                depth=2, embedding_dim=size.prompt_width, num_heads=8, mlp_dim=size.decoder_mlp
            ),
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=size.iou_head,
        ),
        pixel_mean=list(PIXEL_MEAN),
        pixel_std=list(PIXEL_STD),
    )
    return sam.eval()


def _image_encoder(size: SamSize) -> ImageEncoderViT:
    vit = size.vit
    if vit is None:
        # segment_anything annotates a class, and calls its object alone.
        return cast(ImageEncoderViT, TinyVitEncoder(size.image_px, size.prompt_width))
    encoder = ImageEncoderViT(
        img_size=size.image_px,
        patch_size=size.patch_px,
        embed_dim=vit.width,
        depth=vit.depth,
        num_heads=vit.heads,
        mlp_ratio=4,
        out_chans=size.prompt_width,
        qkv_bias=True,
        # segment_anything annotates a class here and is itself called with this partial.
        norm_layer=partial(nn.LayerNorm, eps=1e-6),  # pyright: ignore[reportArgumentType]
        use_rel_pos=True,
        window_size=vit.window_cells,
        global_attn_indexes=vit.global_blocks,
    )
    if vit.stem_channels:
        encoder.patch_embed = cast(PatchEmbed, ConvStem(vit.stem_channels, vit.width))
    return encoder


class ConvStem(nn.Module):
    """Patches by a few small convolutions instead of one large projection.

    A transformer trained on thousands of images instead of millions learns edges and textures
    several times faster behind convolutions (Xiao et al. 2021, "Early convolutions help
    transformers see better"). The grid, and all that follows, is that of `PatchEmbed`.
    """

    def __init__(self, channels: tuple[int, ...], width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for after in channels:
            layers += _convolution(before, after, stride=2)
            before = after
        layers += _convolution(before, before, stride=1)
        self.layers = nn.Sequential(*layers, nn.Conv2d(before, width, 3, stride=2, padding=1))

    def forward(self, images_B3HW: torch.Tensor) -> torch.Tensor:
        """Return patches [B, h, w, C], as `PatchEmbed` does."""
        return self.layers(images_B3HW).permute(0, 2, 3, 1)


def _convolution(before: int, after: int, stride: int) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU()]


def dense_position(sam: Sam) -> torch.Tensor:
    """Return the image's position encoding [1, C, h, w] in fp32.

    Computed in fp32 whatever the precision of the rest: `get_dense_pe` multiplies an fp32 grid by
    the encoder's matrix, which fails when that matrix is bf16.
    """
    matrix = sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    if matrix.dtype != torch.float32:
        raise ValueError(f"the prompt encoder must stay in float32, not {matrix.dtype}")
    return sam.prompt_encoder.get_dense_pe()
