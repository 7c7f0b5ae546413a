"""The VRP encoder over the `lite` trunk: references become tokens and a dense prompt for SAM.

With SAM `lite`, whose embedding is made of the trunk's maps, it reads these alone. With any other
SAM it reads that one's embedding beside them: a further depth to compare cells in, and part of what
tokens are made of. On held-out photos the best threshold of a cosine in MobileSAM's embedding
reaches a mean IoU of 0.48, in both of the trunk's depths 0.48, in all three 0.51.

Letters beyond those of model/segmenter.py: R references, P pairs of a target and a category (all of
an image's together), M references of one category, N tokens of a reference, D width, S cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F

from model.networks.feature_maps import FeatureMaps, mid_on_grid
from model.networks.lite.sam import WIDTH, LiteImageEncoder
from model.networks.lite.similarity import SimilarityPrompt, Surroundings
from model.networks.lite.trunk import COARSE, FINE, MIDDLE
from model.networks.vrp_encoder import FeatureScales, VrpEncoder
from schemas.job.networks import VrpReading

QUERIES = 24
"""Half of the paper's 50: fewer cost less in every attention."""

EMBEDDING_GAIN = 5.0
"""SAM's embeddings vary by a tenth around their mean, the trunk's maps by more."""


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
    not trained on. embedded are the channels of SAM's embedding, where that is read: see
    `beside_embedding`.
    """

    offset: Tensor

    def __init__(self, width: int = WIDTH, queries: int = QUERIES, embedded: int = 0) -> None:
        super().__init__()
        depths = (MIDDLE, COARSE, embedded) if embedded else (MIDDLE, COARSE)
        self.encoder = VrpEncoder(FINE + MIDDLE + embedded, width, queries, VrpReading())
        self.similarity = SimilarityPrompt(depths, width)
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


def lite_vrp_for(sam: Sam, queries: int = QUERIES) -> LiteVrp:
    """Build the encoder that prompts a SAM, with fresh weights."""
    width = sam.prompt_encoder.embed_dim
    encoder: nn.Module = sam.image_encoder
    return LiteVrp(width, queries, 0 if isinstance(encoder, LiteImageEncoder) else width)


def beside_embedding(maps: FeatureMaps, embedding_BDhw: Tensor) -> FeatureMaps:
    """Return the trunk's maps with SAM's embedding of the same stretched images beside them.

    The embedding is averaged over the deep grid, and so are the fine maps, which the encoder would
    average there.
    """
    side_h, side_w = maps.high_BChw.shape[-2:]
    embedding_BDhw = F.adaptive_avg_pool2d(
        embedding_BDhw.to(maps.high_BChw.dtype), (side_h, side_w)
    )
    return FeatureMaps(
        torch.cat([mid_on_grid(maps), EMBEDDING_GAIN * embedding_BDhw], dim=1),
        torch.cat([maps.high_BChw, embedding_BDhw], dim=1),
        maps.pixels_B3HW,
    )
