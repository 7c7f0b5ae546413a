"""The VRP encoder: its size, its formula, and the numbers of the authors' public code."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from model.networks import vrp_encoder
from model.networks.backbone import BACKBONES
from model.networks.feature_maps import FeatureMaps
from model.networks.vrp_encoder import VrpEncoder
from schemas.job.method import READINGS, QueryInit, VrpReading
from schemas.names import BackboneType
from tests.made.pixels.waves import stir, wave

GRID = 8


@pytest.mark.parametrize(
    ("backbone", "parameters"),
    [
        ("resnet50", 1_592_064),
        ("resnet50s", 1_592_064),
        ("vgg16_bn", 1_395_456),
        ("dinov2_vitb14", 1_592_064),
        ("dinov2_vitl14", 1_723_136),
        ("dinov3_vitb16", 1_592_064),
    ],
)
def test_the_learnable_parameters_are_the_papers(backbone: BackboneType, parameters: int) -> None:
    with torch.device("meta"):
        encoder = VrpEncoder(BACKBONES[backbone].mid_channels, 256, 50, VrpReading())
    assert sum(p.numel() for p in encoder.parameters() if p.requires_grad) == parameters


def maps(count: int, seed: int) -> FeatureMaps:
    generator = torch.Generator().manual_seed(seed)
    mid = torch.rand(count, 24, GRID, GRID, generator=generator)
    return FeatureMaps(mid, torch.randn(count, 40, GRID, GRID, generator=generator))


def masks(count: int) -> Tensor:
    mask = torch.zeros(count, GRID, GRID)
    for number in range(count):
        mask[number, number : number + 3, 2 : 4 + number] = 1
    return mask


def made_encoder(reading: VrpReading) -> VrpEncoder:
    encoder = VrpEncoder(24, 32, 5, reading).eval()
    stir(encoder, 0)
    return encoder


def as_in_the_paper(
    encoder: VrpEncoder, target: FeatureMaps, reference: FeatureMaps, mask_hw: Tensor
) -> Tensor:
    """Section 4 for one pair, written out: convolutions over concatenated maps."""
    reading, mask_1hw = encoder.reading, mask_hw[None, None]
    feature_r, feature_t = (
        F.relu(encoder.reduce(reference.mid_BChw)),
        F.relu(encoder.reduce(target.mid_BChw)),
    )
    prototype = (feature_r * mask_1hw).sum((2, 3)) / (mask_1hw.sum() + 0.0005)
    cells_r = reference.high_BChw.flatten(2)[0].T[mask_hw.flatten().bool()]
    cells_t = target.high_BChw.flatten(2)[0].T
    cosine = F.cosine_similarity(cells_t[:, None], cells_r[None], dim=-1).max(dim=1).values
    if reading.pseudo_mask == "min_max":
        cosine = (cosine - cosine.min()) / (cosine.max() - cosine.min())
    pseudo_1hw = cosine.view(1, 1, GRID, GRID)
    spread = prototype[..., None, None].expand(-1, -1, GRID, GRID)

    def merged(features: Tensor, mask: Tensor) -> Tensor:
        joined = torch.cat([features, spread, mask * reading.mask_scale], dim=1)
        return F.relu(encoder.merge(joined)).flatten(2).transpose(1, 2)

    values_r, values_t = merged(feature_r, mask_1hw), merged(feature_t, pseudo_1hw)
    position = sine_by_hand(encoder.width)
    tokens = encoder.reference_cross(encoder.queries[None], values_r + position, values_r)
    tokens = encoder.reference_self(tokens, tokens, tokens)
    tokens = encoder.target_cross(tokens, values_t + position, values_t)
    return encoder.target_self(tokens, tokens, tokens)


def sine_by_hand(width: int) -> Tensor:
    """DETR's embedding, number by number."""
    half, position = width // 2, torch.zeros(1, GRID * GRID, width)
    for y in range(GRID):
        for x in range(GRID):
            for start, place in ((0, y), (half, x)):
                angle = (place + 1) / (GRID + 1e-6) * 2 * math.pi
                for channel in range(half):
                    phase = angle / 10000 ** (2 * (channel // 2) / half)
                    value = math.sin(phase) if channel % 2 == 0 else math.cos(phase)
                    position[0, y * GRID + x, start + channel] = value
    return position


@torch.no_grad()
@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
@pytest.mark.parametrize("pairs_per_step", [1, 64])
def test_every_target_is_prompted_by_every_reference_as_in_the_paper(
    reading: VrpReading, monkeypatch: pytest.MonkeyPatch, pairs_per_step: int
) -> None:
    monkeypatch.setattr(vrp_encoder, "PAIRS_PER_STEP", pairs_per_step)
    encoder, target, reference = made_encoder(reading), maps(2, 1), maps(3, 2)
    prompts = encoder.prompt(target, encoder.study(reference, masks(3)))
    assert prompts.shape == (2, 3, 5, 32)
    for t in range(2):
        for r in range(3):
            alone = as_in_the_paper(encoder, one(target, t), one(reference, r), masks(3)[r])
            torch.testing.assert_close(prompts[t, r : r + 1], alone, rtol=0, atol=1e-5)


def one(batch: FeatureMaps, index: int) -> FeatureMaps:
    chosen = slice(index, index + 1)
    return FeatureMaps(batch.mid_BChw[chosen], batch.high_BChw[chosen])


@torch.no_grad()
def test_pairs_are_prompted_as_targets_of_their_own_references() -> None:
    encoder, target, reference = made_encoder(VrpReading()), maps(3, 1), maps(3, 2)
    every = encoder.prompt(target, encoder.study(reference, masks(3)))
    paired = encoder(target, reference, masks(3))
    diagonal = every[torch.arange(3), torch.arange(3)]
    torch.testing.assert_close(paired, diagonal, rtol=0, atol=1e-5)


@torch.no_grad()
def test_prompt_tokens_are_those_of_the_authors_public_code() -> None:
    # Computed with that code, its backbone replaced by the maps below and its weights by waves
    # whose steps depend on the length of its parameters' names.
    encoder = VrpEncoder(1536, 256, 50, READINGS["authors_code"]).eval()
    names = {
        "reduce.weight": 25,
        "merge.weight": 16,
        "queries": 38,
        **attention_names("reference_cross", "cross_attention_layers_0.0.multihead_attn"),
        **attention_names("reference_self", "self_attention_layers_0.0.self_attn"),
        **attention_names("target_cross", "cross_attention_layers.0.multihead_attn"),
        **attention_names("target_self", "self_attention_layers.0.self_attn"),
    }
    for name, value in encoder.named_parameters():
        plain = name == "queries" or "norm" in name
        scale = 1.0 if plain else 2 / math.sqrt(value.shape[1]) if value.ndim > 1 else 0.1
        made = wave(tuple(value.shape), 0.1 + names[name] * 0.037, scale)
        value.copy_(made * 0.5 + 1 if name.endswith("norm.weight") else made)

    def made_maps(step2: float, step3: float, mask: Tensor | None) -> FeatureMaps:
        mid2 = wave((1, 512, GRID, GRID), step2, 1).abs()
        mid3 = wave((1, 1024, GRID, GRID), step3, 1).abs()
        block4 = mid3 if mask is None else mid3 * mask
        return FeatureMaps(torch.cat([mid2, mid3], dim=1), block4.repeat(1, 2, 1, 1))

    mask_1hw = torch.zeros(1, GRID, GRID)
    mask_1hw[0, 1:5, 2:7] = 1
    tokens = encoder(made_maps(1.31, 1.73, None), made_maps(2.11, 2.39, mask_1hw), mask_1hw)
    expected = [
        [3.844970, -0.443335, 0.442404, 0.398070],
        [3.500809, -0.929934, 0.783427, 0.049560],
        [1.202844, -1.249656, 0.509359, -0.024099],
    ]
    picked = tokens[0, [0, 17, 49]][:, [0, 63, 128, 255]]
    torch.testing.assert_close(picked, torch.tensor(expected), rtol=0, atol=1e-5)
    means = tokens[0, :3].abs().mean(dim=1)
    torch.testing.assert_close(
        means, torch.tensor([0.972124, 0.961345, 0.976046]), rtol=0, atol=1e-5
    )


def attention_names(ours: str, theirs: str) -> dict[str, int]:
    """Lengths of the public code's names of one attention block, by our names."""
    layer = f"transformer_decoder.transformer_{theirs.rpartition('.')[0]}"
    parts = {
        "attention.in_proj_weight": f".{theirs.rpartition('.')[2]}.in_proj_weight",
        "attention.in_proj_bias": f".{theirs.rpartition('.')[2]}.in_proj_bias",
        "attention.out_proj.weight": f".{theirs.rpartition('.')[2]}.out_proj.weight",
        "attention.out_proj.bias": f".{theirs.rpartition('.')[2]}.out_proj.bias",
        "norm.weight": ".norm.weight",
        "norm.bias": ".norm.bias",
    }
    return {f"{ours}.{part}": len(layer + theirs_part) for part, theirs_part in parts.items()}


@pytest.mark.parametrize(
    ("query_init", "first", "last"),
    [("foreground", 3.0, 3.0), ("background", 1.0, 1.0), ("half", 3.0, 1.0)],
)
def test_queries_begin_as_prototypes_of_the_object_and_of_what_is_around_it(
    query_init: QueryInit, first: float, last: float
) -> None:
    encoder = VrpEncoder(8, 16, 4, VrpReading(), query_init)
    assert "queries" not in dict(encoder.named_parameters())
    mask_R1hw = torch.zeros(1, 1, 4, 4)
    mask_R1hw[..., :2, :] = 1
    features_RDhw = 1 + 2 * mask_R1hw.expand(1, 16, 4, 4)
    tokens_RND = encoder._first_tokens(features_RDhw, mask_R1hw, torch.full((1, 16), 3.0))
    assert tokens_RND.shape == (1, 4, 16)
    assert torch.allclose(tokens_RND[:, 0], torch.tensor(first), atol=1e-3)
    assert torch.allclose(tokens_RND[:, -1], torch.tensor(last), atol=1e-3)
