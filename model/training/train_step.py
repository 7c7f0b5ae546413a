"""Episodes become losses of the VRP encoder, the only network that learns.

Nothing here depends on which episodes share a batch or a process: dropout is drawn from each
episode's own seed, and every loss is that of one episode.

Letters beyond those of model/segmenter.py: R references of one episode, D width of the prompts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from model.methods.vrp import VrpNetworks
from model.networks.attention.choice import use_fast_attention
from model.networks.feature_maps import FeatureMaps
from model.networks.mask_decoder import decode
from model.networks.sam import dense_position
from model.networks.vrp_encoder import FeatureScales
from model.training.loss import Terms, mask_loss

# Paper, appendix A (the authors' code: Dropout2d(0.5) after the reducing convolution).
DROPOUT = 0.5

Prompt = Callable[[FeatureMaps, FeatureMaps, Tensor, FeatureScales | None], Tensor]
"""`VrpEncoder.forward`, or the same through DistributedDataParallel."""


@dataclass(frozen=True)
class EpisodeTensors:
    """One episode on the CPU: R annotated references, a target and its true mask.

    Images are normalised. Of embedding (SAM's, from a cache) and sam_3HW (SAM's input) at most one
    is given; with neither, SAM reads the target's backbone input, stretched (`via_512`).
    """

    references_R3HW: Tensor
    annotations_Rhw: Tensor
    target_3HW: Tensor
    truth_HW: Tensor
    valid_HW: Tensor
    seed: int
    embedding_Dhw: Tensor | None = None
    sam_3HW: Tensor | None = None


def freeze(networks: VrpNetworks, precision: str) -> None:
    """Fix all but the encoder's weights; in bf16, hold them in bf16 too. The encoder stays fp32."""
    for module in (networks.sam, networks.backbone):
        module.eval().requires_grad_(False)
    networks.encoder.requires_grad_(True)
    if precision == "bf16":
        for module in (networks.sam.image_encoder, networks.sam.mask_decoder, networks.backbone):
            module.to(torch.bfloat16)
        use_fast_attention(networks.sam.image_encoder)


def episode_losses(
    networks: VrpNetworks,
    prompt: Prompt,
    episodes: Sequence[EpisodeTensors],
    terms: Terms = "bce+dice",
) -> Tensor:
    """Return each episode's loss: [B]. All episodes have the same number of references."""
    scales = draw_dropout([e.seed for e in episodes], len(episodes[0].references_R3HW), networks)
    logits_BHW = episode_logits(networks, prompt, episodes, scales)
    device = logits_BHW.device
    truth_BHW = torch.stack([e.truth_HW for e in episodes]).to(device, non_blocking=True)
    valid_BHW = torch.stack([e.valid_HW for e in episodes]).to(device, non_blocking=True)
    return mask_loss(logits_BHW, truth_BHW, valid_BHW, terms)


def episode_logits(
    networks: VrpNetworks,
    prompt: Prompt,
    episodes: Sequence[EpisodeTensors],
    scales: FeatureScales | None = None,
) -> Tensor:
    """Return the targets' mask logits at the size of `truth_HW`: [B, H, W]; no scales, no dropout.

    Gradients reach the encoder through SAM's frozen mask decoder.
    """
    device = networks.encoder.queries.device
    dtype = next(networks.backbone.parameters()).dtype
    B, R = len(episodes), len(episodes[0].references_R3HW)
    # The frozen networks compute in their own precision. Autocast is for the encoder's float32
    # weights, and would cast before and after each of their layers.
    with torch.no_grad():
        target_B3HW = _stacked([e.target_3HW for e in episodes], device, dtype)
        references_P3HW = _stacked([e.references_R3HW for e in episodes], device, dtype)
        references_P3HW = references_P3HW.flatten(0, 1)
        mask_Phw = _stacked([e.annotations_Rhw for e in episodes], device, dtype).flatten(0, 1)
        block5_mask = mask_Phw[:, None] if networks.encoder.reading.masked_block5 else None
        reference = networks.backbone(references_P3HW, block5_mask)
        target = _repeated(networks.backbone(target_B3HW), R)
        embedding_BDhw = _embed(networks, episodes, target_B3HW)
        no_mask = networks.sam.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1)
        position_1Dhw = dense_position(networks.sam)
    with torch.autocast(device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        prompts_PND = prompt(target, reference, mask_Phw, scales)
        logits_B1hw, _ = decode(
            networks.sam.mask_decoder,
            (embedding_BDhw + no_mask).to(dtype),
            position_1Dhw.to(dtype),
            prompts_PND.unflatten(0, (B, 1, R)).flatten(2, 3),
        )
    size_HW = episodes[0].truth_HW.shape[-2:]
    corners = networks.encoder.reading.align_corners
    return F.interpolate(logits_B1hw.float(), size_HW, mode="bilinear", align_corners=corners)[:, 0]


def draw_dropout(seeds: Sequence[int], references: int, networks: VrpNetworks) -> FeatureScales:
    """Draw Dropout2d's factors, 0 or 2, for every channel of every pair of an episode's own seed.

    Drawn on the CPU, so that they are the same on every device; [B * references, D] each.
    """
    encoder = networks.encoder
    drawn = []
    for seed in seeds:
        generator = torch.Generator().manual_seed(seed)
        drawn.append(torch.rand(references, 2, encoder.width, generator=generator))
    kept_P2D = (torch.cat(drawn) >= DROPOUT).to(encoder.queries.device, torch.float32)
    scale_P2D = kept_P2D / (1 - DROPOUT)
    return FeatureScales(target_PD=scale_P2D[:, 0], reference_PD=scale_P2D[:, 1])


def _embed(
    networks: VrpNetworks, episodes: Sequence[EpisodeTensors], target_B3HW: Tensor
) -> Tensor:
    """Take SAM's embeddings from where they were cached; compute the others together."""
    device, dtype = target_B3HW.device, target_B3HW.dtype
    found = {i: e.embedding_Dhw for i, e in enumerate(episodes) if e.embedding_Dhw is not None}
    missing = [i for i in range(len(episodes)) if i not in found]
    if missing:
        side_px = networks.sam.image_encoder.img_size
        given = [episodes[i].sam_3HW for i in missing]
        inputs = [image for image in given if image is not None]
        if inputs:
            assert len(inputs) == len(given), "either all episodes bring SAM's input or none"
            input_B3HW = _stacked(inputs, device, dtype)
        else:
            input_B3HW = F.interpolate(
                target_B3HW[missing], (side_px, side_px), mode="bilinear", align_corners=True
            )
        computed_BDhw = networks.sam.image_encoder(input_B3HW)
        found |= dict(zip(missing, computed_BDhw, strict=True))
    return torch.stack([found[i].to(device, dtype) for i in range(len(episodes))])


def _stacked(tensors: Sequence[Tensor], device: torch.device, dtype: torch.dtype) -> Tensor:
    return torch.stack(list(tensors)).to(device, dtype, non_blocking=True)


def _repeated(maps: FeatureMaps, times: int) -> FeatureMaps:
    if times == 1:
        return maps
    return FeatureMaps(
        maps.mid_BChw.repeat_interleave(times, dim=0),
        maps.high_BChw.repeat_interleave(times, dim=0),
    )
