"""The `lite` networks: one pass of a small trunk serves SAM and the VRP encoder.

    image, squashed to 384 x 384 and normalised
      -> LiteTrunk                  -> FeatureMaps (the only pass over pixels)
           -> LiteNeck              -> SAM's image embedding [B, 128, 48, 48]
                -> segment_anything's PromptEncoder and MaskDecoder (points, boxes, masks)
           -> LiteVrp, with the maps and the annotation of references
                -> prompt tokens and a dense prompt -> the same MaskDecoder

So `sam.image_encoder(images)` is for callers who have no maps; who has them calls
`sam.image_encoder.neck(maps)`. SAM alone and SAM prompted by references use the same weights.

Letters beyond those of model/segmenter.py: R references, P pairs of a target and a category (all of
an image's together), M references of one category, N tokens of a reference, D width, S cells.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.modeling.transformer import TwoWayAttentionBlock
from torch import Tensor, nn
from torch.nn import functional as F

from model.networks.feature_maps import FeatureMaps, mid_on_grid
from model.networks.lite.neck import LiteNeck
from model.networks.lite.similarity import SimilarityPrompt, Surroundings
from model.networks.lite.trunk import COARSE, FINE, GRID, INPUT_PX, MIDDLE, LiteTrunk
from model.networks.mask_decoder import decode_pairs
from model.networks.pixels import PIXEL_MEAN, PIXEL_STD
from model.networks.vrp_encoder import FeatureScales, VrpEncoder
from schemas.job.method import VrpReading

WIDTH = 128
QUERIES = 24
"""Half of the paper's 50, at half its width: fewer cost less in every attention."""

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


@dataclass(frozen=True)
class StudiedLite:
    """What targets need of R references; those of one category lie together."""

    prototype_RD: Tensor
    tokens_RND: Tensor
    cells: tuple[Tensor, ...]
    around: Surroundings

    @staticmethod
    def together(steps: Sequence["StudiedLite"]) -> "StudiedLite":
        """Return all references of some steps, in order."""
        around = [step.around for step in steps]
        return StudiedLite(
            torch.cat([step.prototype_RD for step in steps]),
            torch.cat([step.tokens_RND for step in steps]),
            tuple(torch.cat(level) for level in zip(*(step.cells for step in steps), strict=True)),
            Surroundings(
                torch.cat([one.weight_RS for one in around]),
                torch.cat([one.object_RS for one in around]),
                torch.cat([one.around_RS for one in around]),
            ),
        )

    def chosen(self, references: Tensor) -> "StudiedLite":
        """Return some of the references, by number, in that order."""
        around = self.around
        return StudiedLite(
            self.prototype_RD[references],
            self.tokens_RND[references],
            tuple(level[references] for level in self.cells),
            Surroundings(
                around.weight_RS[references],
                around.object_RS[references],
                around.around_RS[references],
            ),
        )


@dataclass(frozen=True)
class LitePrompts:
    """What the decoder is asked by references, of P pairs: tokens [P, M * N, D] and a dense prompt.

    The dense prompt, [P, D, h / 2, w / 2], and the pseudo-mask's logits are on the deep grid;
    present_P are logits of whether the target shows the category.
    """

    tokens_PND: Tensor
    dense_PDhw: Tensor
    pseudo_P1hw: Tensor
    present_P: Tensor


@dataclass(frozen=True)
class LiteDropout:
    """Factors of Dropout2d, 0 or 1 / (1 - p): the encoder's, and the learned metric's inputs'."""

    encoder: FeatureScales
    target_BC: Tensor
    reference_RC: Tensor


class LiteVrp(nn.Module):
    """The VRP encoder, whose pseudo-mask is learned here, and a dense prompt beside its tokens.

    Where masks are uncertain the greatest IoU lies at a probability below a half. `offset` is added
    to their logits, so that 0 is the best threshold there too; it is chosen on categories that were
    not trained on.
    """

    offset: Tensor

    def __init__(self, width: int = WIDTH, queries: int = QUERIES) -> None:
        super().__init__()
        self.encoder = VrpEncoder(FINE + MIDDLE, width, queries, VrpReading())
        self.similarity = SimilarityPrompt((MIDDLE, COARSE), width)
        self.register_buffer("offset", torch.zeros(()))

    def study(
        self, reference: FeatureMaps, mask_Rhw: Tensor, dropout: LiteDropout | None = None
    ) -> StudiedLite:
        """Run the reference half; mask_Rhw is 0/1 on the fine grid, none of them empty."""
        around = Surroundings.of(mask_Rhw)
        side = reference.high_BChw.shape[-1]
        mid_RChw = mid_on_grid(reference)
        prototype_RD, tokens_RND = self.encoder.study_tokens(
            mid_RChw,
            around.object_RS.unflatten(1, (side, side)),
            dropout.encoder.reference_PD if dropout else None,
        )
        cells = self.similarity.cells(
            reference.high_BChw, dropout.reference_RC if dropout else None
        )
        return StudiedLite(prototype_RD, tokens_RND, cells, around)

    def prompt(
        self,
        target: FeatureMaps,
        studied: StudiedLite,
        shots: int,
        dropout: LiteDropout | None = None,
    ) -> LitePrompts:
        """Run the target half on B images and P = B * K pairs, image by image.

        studied holds P * shots references, pair by pair: each image has its own.
        """
        cells = self.similarity.cells(target.high_BChw, dropout.target_BC if dropout else None)
        pairs = len(studied.prototype_RD) // shots
        each = pairs // len(target.mid_BChw)
        likeness = self.similarity(
            tuple(level.repeat_interleave(each, dim=0) for level in cells),
            studied.cells,
            studied.around,
            shots,
        )
        pseudo_PS = likeness.pseudo_P1hw.sigmoid().flatten(1)
        tokens_RND = self.encoder.prompt_pairs(
            mid_on_grid(target),
            pseudo_PS.repeat_interleave(shots, dim=0),
            studied.prototype_RD,
            studied.tokens_RND,
            dropout.encoder.target_PD if dropout else None,
        )
        return LitePrompts(
            tokens_RND.unflatten(0, (pairs, shots)).flatten(1, 2),
            likeness.dense_PDhw,
            likeness.pseudo_P1hw,
            likeness.present_P,
        )


def decode_lite(sam: Sam, embedding_BDhw: Tensor, prompts: LitePrompts) -> tuple[Tensor, Tensor]:
    """Decode P pairs of B images, image by image: logits [P, 4h, 4w] and predicted IoU [P]."""
    each = len(prompts.tokens_PND) // len(embedding_BDhw)
    no_mask_1D11 = sam.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1)
    embedding_PDhw = embedding_BDhw.repeat_interleave(each, dim=0)
    dense_PDhw = F.interpolate(
        prompts.dense_PDhw, embedding_PDhw.shape[-2:], mode="bilinear", align_corners=False
    )
    logits_PMhw, score_PM = decode_pairs(
        sam.mask_decoder,
        embedding_PDhw + no_mask_1D11 + dense_PDhw,
        position_at(sam, embedding_BDhw),
        prompts.tokens_PND,
    )
    return logits_PMhw[:, 0], score_PM[:, 0]


def ask_sam(
    sam: Sam,
    embedding_PDhw: Tensor,
    points: tuple[Tensor, Tensor] | None,
    boxes_P4: Tensor | None,
    logits_P1HW: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Ask SAM on any grid: logits [P, M, 4h, 4w] and scores [P, M].

    It is asked by points with their labels, boxes, and masks so far.
    """
    encoder = sam.prompt_encoder
    sparse_PTD, _ = encoder(points=points, boxes=boxes_P4, masks=None)
    # The dense half by hand: the prompt encoder knows one grid only.
    if logits_P1HW is None:
        dense_PDhw = encoder.no_mask_embed.weight.view(1, -1, 1, 1)
    else:
        dense_PDhw = encoder.mask_downscaling(logits_P1HW)
    position_1Dhw = position_at(sam, embedding_PDhw)
    return decode_pairs(sam.mask_decoder, embedding_PDhw + dense_PDhw, position_1Dhw, sparse_PTD)


def neck_of(sam: Sam) -> LiteNeck:
    """Return the neck of a SAM `lite`: for who has an image's maps already."""
    return cast(LiteNeck, sam.image_encoder.neck)


def trunk_of(sam: Sam) -> LiteTrunk:
    """Return the trunk of a SAM `lite`."""
    return cast(LiteImageEncoder, sam.image_encoder).trunk


def position_at(sam: Sam, embedding_BDhw: Tensor) -> Tensor:
    """Return the position encoding [1, D, h, w] of an embedding's grid, whatever its size."""
    return sam.prompt_encoder.pe_layer(embedding_BDhw.shape[-2:])[None]


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
