"""The `lite` networks: one pass of a small trunk serves SAM and the VRP encoder.

    image, squashed to 384 x 384 and normalised
      -> LiteTrunk                  -> FeatureMaps (the only pass over pixels)
           -> LiteNeck              -> SAM's image embedding [B, 128, 48, 48]
                -> segment_anything's PromptEncoder and MaskDecoder (points, boxes, masks)
           -> LiteVrp (model/networks/lite/vrp.py), with the maps and the annotation of references
                -> prompt tokens and a dense prompt -> the same MaskDecoder

So `sam.image_encoder(images)` is for callers who have no maps; who has them calls
`sam.image_encoder.neck(maps)`. SAM alone and SAM prompted by references use the same weights.
"""

from collections.abc import Iterable
from typing import cast

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.modeling.transformer import TwoWayAttentionBlock
from torch import Tensor, nn

from model.networks.lite.neck import LiteNeck
from model.networks.lite.trunk import COARSE, FINE, GRID, INPUT_PX, MIDDLE, LiteTrunk
from model.networks.pixels import PIXEL_MEAN, PIXEL_STD

WIDTH = 128

PLACE_GAIN = 2.0
"""On projections that begin equal: a token attends to its own place about e^3 times as much."""

HEADS = 4
"""Of the decoder's attentions; SAM's own has 8 at twice the width."""


class LiteImageEncoder(nn.Module):
    """Trunk and neck as SAM's image encoder.

    The trunk is no part of its state: it is a backbone, with weights of its own.
    """

    def __init__(self, trunk: LiteTrunk, neck: LiteNeck) -> None:
        super().__init__()
        self.img_size = INPUT_PX
        self.neck = neck
        self._trunk = (trunk,)  # in a tuple, where torch finds no module

    @property
    def trunk(self) -> LiteTrunk:
        """The backbone whose maps the neck reads."""
        return self._trunk[0]

    def forward(self, images_B3HW: Tensor) -> Tensor:
        """Embed normalised images of INPUT_PX: [B, D, h, w]."""
        return self.neck(self.trunk(images_B3HW))


def neck_of(sam: Sam) -> LiteNeck:
    """Return the neck of a SAM `lite`: for who has an image's maps already."""
    return cast(LiteNeck, sam.image_encoder.neck)


def trunk_of(sam: Sam) -> LiteTrunk:
    """Return the trunk of a SAM `lite`."""
    return cast(LiteImageEncoder, sam.image_encoder).trunk


def build_lite_sam(trunk: LiteTrunk, width: int = WIDTH) -> Sam:
    """Build SAM `lite` over a trunk, with fresh weights, in eval mode."""
    neck = LiteNeck((FINE + MIDDLE, MIDDLE + COARSE), width)
    sam = Sam(
        # segment_anything annotates its own encoder and uses img_size and the call.
        image_encoder=LiteImageEncoder(trunk, neck),  # pyright: ignore[reportArgumentType]
        prompt_encoder=PromptEncoder(
            embed_dim=width,
            image_embedding_size=(GRID, GRID),
            input_image_size=(INPUT_PX, INPUT_PX),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            transformer_dim=width,
            transformer=TwoWayTransformer(
                depth=2, embedding_dim=width, num_heads=HEADS, mlp_dim=4 * width
            ),
            num_multimask_outputs=3,
            iou_head_depth=3,
            iou_head_hidden_dim=width,
        ),
        pixel_mean=list(PIXEL_MEAN),
        pixel_std=list(PIXEL_STD),
    )
    _look_where_they_point(cast(TwoWayTransformer, sam.mask_decoder.transformer))
    return sam.eval()


def _look_where_they_point(transformer: TwoWayTransformer) -> None:
    """Begin with tokens that attend to the cells at their own place.

    Queries and keys both hold a position; with the same projection their product is greatest where
    positions agree. From unrelated projections a decoder must find that out.
    """
    blocks = cast(Iterable[TwoWayAttentionBlock], transformer.layers)
    attentions = [transformer.final_attn_token_to_image]
    for block in blocks:
        attentions += [block.cross_attn_token_to_image, block.cross_attn_image_to_token]
    with torch.no_grad():
        for attention in attentions:
            attention.k_proj.weight.mul_(PLACE_GAIN)
            attention.q_proj.weight.copy_(attention.k_proj.weight)
            attention.q_proj.bias.copy_(attention.k_proj.bias)
