"""The VRP encoder: an annotated reference and a target image become prompt tokens for SAM.

Paper, section 4 and figure 3. The encoder is cut where the target comes in: the reference half
(`study`) runs once per job, the target half (`prompt`) once per image and reference. Feature maps
are those of model/networks/backbone.py; pairs (P) are a target with a reference.

Letters beyond those of model/segmenter.py: R references, P pairs, S cells of the grid, D width of
the prompts (SAM's `prompt_width`), N prompt tokens of one reference.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.networks.compiled import Compiled
from model.networks.feature_maps import FeatureMaps, mid_on_grid
from model.networks.pseudo_mask import foreground_cells, pseudo_mask, unit_cells
from model.networks.sine_position import sine_position
from schemas.job.method import QueryInit, VrpReading

# At 64 x 64 cells and width 256 a pair holds about 12 MB of bf16 activations.
PAIRS_PER_STEP = 64

PAIRS_PER_STEP_ON_CPU = 1
"""There a pair alone takes half of the time: see model/networks/mask_decoder.py."""


@dataclass(frozen=True)
class StudiedReferences:
    """What targets need of references: prototypes, tokens that have seen them, and their cells."""

    prototype_RD: Tensor
    tokens_RND: Tensor
    foreground_FC: tuple[Tensor, ...]
    """One [F, C] per reference, from `foreground_cells`."""


@dataclass(frozen=True)
class FeatureScales:
    """Dropout2d's factors for each pair's reduced features: [P, D], 0 or 1 / (1 - p).

    Handed in and not drawn here, so that an episode's dropout is its own in whatever batch.
    """

    target_PD: Tensor
    reference_PD: Tensor


class PromptAttention(nn.Module):
    """Attention, residual and layer norm; no feed-forward block, no dropout."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, num_heads=4, batch_first=True)
        self.norm = nn.LayerNorm(width)
        nn.init.xavier_uniform_(self.attention.out_proj.weight)

    def forward(self, tokens_PND: Tensor, keys_PSD: Tensor, values_PSD: Tensor) -> Tensor:
        """Let tokens attend to keys; self-attention is tokens three times."""
        attended, _ = self.attention(tokens_PND, keys_PSD, values_PSD, need_weights=False)
        return self.norm(tokens_PND + attended)


class VrpEncoder(nn.Module):
    """Feature augmenter and prompt generator.

    Learnable parameters at width 256 and 50 queries: 1,592,064 with ResNet-50, DINOv2-B or
    DINOv3-B maps, 1,395,456 with VGG-16, 1,723,136 with DINOv2-L.
    """

    queries: Tensor

    def __init__(
        self,
        mid_channels: int,
        width: int,
        queries: int,
        reading: VrpReading,
        query_init: QueryInit = "random",
    ) -> None:
        super().__init__()
        self.width = width
        self.reading = reading
        self.query_init: QueryInit = query_init
        self.reduce = nn.Conv2d(mid_channels, width, kernel_size=1, bias=False)
        self.merge = nn.Conv2d(2 * width + 1, width, kernel_size=1, bias=False)
        if query_init == "random":
            self.queries = nn.Parameter(torch.randn(queries, width))
        else:
            # Only how many there are: nothing to learn, and no parameter without a gradient.
            self.register_buffer("queries", torch.zeros(queries, width))
        self.reference_cross = PromptAttention(width)
        self.reference_self = PromptAttention(width)
        self.target_cross = PromptAttention(width)
        self.target_self = PromptAttention(width)

    def forward(
        self,
        target: FeatureMaps,
        reference: FeatureMaps,
        mask_Phw: Tensor,
        scales: FeatureScales | None = None,
    ) -> Tensor:
        """Prompt each target with its own reference: [P, N, D]. For training and evaluation.

        mask_Phw is the references' annotation on the grid, 0/1, none of them empty. Training hands
        in dropout as `scales`; the module's own train and eval mode mean nothing.
        """
        studied = self.study(reference, mask_Phw, scales.reference_PD if scales else None)
        target_PSC = unit_cells(target.high_BChw)
        pseudo_PS = torch.cat(
            [
                pseudo_mask(target_1SC, foreground_FC, self.reading.pseudo_mask)
                for target_1SC, foreground_FC in zip(
                    target_PSC.split(1), studied.foreground_FC, strict=True
                )
            ]
        )
        features_PDhw = self._features(mid_on_grid(target), scales.target_PD if scales else None)
        return self._attend_target(
            self._project(features_PDhw),
            self._position(features_PDhw),
            pseudo_PS,
            studied.prototype_RD,
            studied.tokens_RND,
        )

    def study(
        self, reference: FeatureMaps, mask_Rhw: Tensor, scale_RD: Tensor | None = None
    ) -> StudiedReferences:
        """Run the reference half; mask_Rhw is 0/1 on the grid, none of them empty."""
        prototype_RD, tokens_RND = self.study_tokens(mid_on_grid(reference), mask_Rhw, scale_RD)
        cells = zip(reference.high_BChw, mask_Rhw.bool(), strict=True)
        return StudiedReferences(
            prototype_RD, tokens_RND, tuple(foreground_cells(high, mask) for high, mask in cells)
        )

    def study_tokens(
        self, mid_RChw: Tensor, mask_Rhw: Tensor, scale_RD: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the prototypes [R, D] of references and the tokens [R, N, D] that saw them."""
        features_RDhw = self._features(mid_RChw, scale_RD)
        mask_R1hw = mask_Rhw[:, None].to(features_RDhw.dtype)
        # 0.0005 is the authors' code's; it matters where a point annotation has one cell.
        area_R1 = mask_R1hw.sum(dim=(2, 3)) + 0.0005
        prototype_RD = (features_RDhw * mask_R1hw).sum(dim=(2, 3)) / area_R1
        cells_RSD = self._merge(self._project(features_RDhw), prototype_RD, mask_R1hw.flatten(1))
        tokens_RND = self._first_tokens(features_RDhw, mask_R1hw, prototype_RD)
        tokens_RND = self.reference_cross(
            tokens_RND, cells_RSD + self._position(features_RDhw), cells_RSD
        )
        return prototype_RD, self.reference_self(tokens_RND, tokens_RND, tokens_RND)

    def prompt_pairs(
        self,
        mid_BChw: Tensor,
        pseudo_PS: Tensor,
        prototype_PD: Tensor,
        tokens_PND: Tensor,
        scale_BD: Tensor | None = None,
    ) -> Tensor:
        """Run the target half on pseudo-masks made elsewhere: [P, N, D]; P / B pairs an image."""
        features_BDhw = self._features(mid_BChw, scale_BD)
        each = len(pseudo_PS) // len(mid_BChw)
        return self._attend_target(
            self._project(features_BDhw).repeat_interleave(each, dim=0),
            self._position(features_BDhw),
            pseudo_PS,
            prototype_PD,
            tokens_PND,
        )

    def prompt(self, target: FeatureMaps, studied: StudiedReferences) -> Tensor:
        """Run the target half, every target with every reference: [B, R, N, D]."""
        target_BSC = unit_cells(target.high_BChw)
        pseudo_RBS = torch.stack(
            [
                pseudo_mask(target_BSC, foreground_FC, self.reading.pseudo_mask)
                for foreground_FC in studied.foreground_FC
            ]
        )
        R, B = pseudo_RBS.shape[:2]
        images_P = torch.arange(B, device=pseudo_RBS.device).repeat(R)
        references_P = torch.arange(R, device=pseudo_RBS.device).repeat_interleave(B)
        prompts_PND = self._prompt(
            target, studied, images_P, references_P, pseudo_RBS.flatten(0, 1)
        )
        return prompts_PND.unflatten(0, (R, B)).transpose(0, 1)

    def prompt_chosen(
        self, target: FeatureMaps, studied: StudiedReferences, chosen_BM: Tensor
    ) -> Tensor:
        """Run the target half, every target with references of its own, by number: [B, M, N, D]."""
        target_BSC = unit_cells(target.high_BChw)
        B, M = chosen_BM.shape
        pseudo_PS = torch.cat(
            [
                pseudo_mask(target_1SC, studied.foreground_FC[reference], self.reading.pseudo_mask)
                for target_1SC, own in zip(target_BSC.split(1), chosen_BM.tolist(), strict=True)
                for reference in own
            ]
        )
        images_P = torch.arange(B, device=chosen_BM.device).repeat_interleave(M)
        prompts_PND = self._prompt(target, studied, images_P, chosen_BM.flatten(), pseudo_PS)
        return prompts_PND.unflatten(0, (B, M))

    def _prompt(
        self,
        target: FeatureMaps,
        studied: StudiedReferences,
        images_P: Tensor,
        references_P: Tensor,
        pseudo_PS: Tensor,
    ) -> Tensor:
        """Return the tokens of pairs of a target and a reference, given by number: [P, N, D]."""
        features_BDhw = self._features(mid_on_grid(target))
        projected_BSD, position_1SD = self._project(features_BDhw), self._position(features_BDhw)
        step = PAIRS_PER_STEP_ON_CPU if pseudo_PS.device.type == "cpu" else PAIRS_PER_STEP
        prompts = [
            self._attend_target(
                projected_BSD[image],
                position_1SD,
                pseudo_PS,
                studied.prototype_RD[reference],
                studied.tokens_RND[reference],
            )
            for image, reference, pseudo_PS in zip(
                images_P.split(step),
                references_P.split(step),
                pseudo_PS.split(step),
                strict=True,
            )
        ]
        return torch.cat(prompts)

    def _first_tokens(
        self, features_RDhw: Tensor, mask_R1hw: Tensor, prototype_RD: Tensor
    ) -> Tensor:
        """Return each reference's tokens before they attend to anything: [R, N, D]."""
        if self.query_init == "random":
            return self.queries.expand(len(mask_R1hw), -1, -1)
        around_R1hw = 1 - mask_R1hw
        background_RD = (features_RDhw * around_R1hw).sum(dim=(2, 3)) / (
            around_R1hw.sum(dim=(2, 3)) + 0.0005
        )
        N = len(self.queries)
        objects = {"foreground": N, "background": 0, "half": N // 2}[self.query_init]
        return torch.cat(
            [
                prototype_RD[:, None].expand(-1, objects, -1),
                background_RD[:, None].expand(-1, N - objects, -1),
            ],
            dim=1,
        )

    def _features(self, mid_BChw: Tensor, scale_BD: Tensor | None = None) -> Tensor:
        features_BDhw = F.relu(self.reduce(mid_BChw))
        return features_BDhw if scale_BD is None else features_BDhw * scale_BD[..., None, None]

    @Compiled
    def _attend_target(
        self,
        projected_PSD: Tensor,
        position_1SD: Tensor,
        pseudo_PS: Tensor,
        prototype_PD: Tensor,
        tokens_PND: Tensor,
    ) -> Tensor:
        cells_PSD = self._merge(projected_PSD, prototype_PD, pseudo_PS)
        tokens_PND = self.target_cross(tokens_PND, cells_PSD + position_1SD, cells_PSD)
        return self.target_self(tokens_PND, tokens_PND, tokens_PND)

    def _project(self, features_BDhw: Tensor) -> Tensor:
        """Apply the merge convolution's feature part: [B, S, D].

        The convolution runs over [features, prototype, mask]; by linearity its feature part is
        computed once an image, not once a reference.
        """
        weight_DD = self.merge.weight[:, : self.width, 0, 0]
        return features_BDhw.flatten(2).transpose(1, 2) @ weight_DD.T

    def _merge(self, projected_PSD: Tensor, prototype_PD: Tensor, mask_PS: Tensor) -> Tensor:
        """Add the merge convolution's prototype and mask parts: cells [P, S, D]."""
        weight = self.merge.weight[:, :, 0, 0]
        prototype_P1D = (prototype_PD @ weight[:, self.width : 2 * self.width].T)[:, None]
        mask_PSD = mask_PS[..., None] * (self.reading.mask_scale * weight[:, -1])
        return F.relu(projected_PSD + prototype_P1D + mask_PSD)

    def _position(self, features_BDhw: Tensor) -> Tensor:
        h, w = features_BDhw.shape[-2:]
        position_1SD = sine_position(h, w, self.width, features_BDhw.device)
        return position_1SD.to(features_BDhw.dtype)
