"""MobileSAM's encoder: timm's TinyViT, with an attention that torch fuses on a CPU too."""

from collections.abc import Iterator

import pytest
import torch
from timm.models.tiny_vit import Attention
from torch import Tensor, nn
from torch.nn import functional as F

from model.networks.tiny_vit import TinyVitEncoder


@pytest.fixture
def encoder() -> TinyVitEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        encoder = TinyVitEncoder(256, 32).eval()
        for module in attentions(encoder):
            nn.init.normal_(module.attention_biases)
    return encoder


def attentions(encoder: TinyVitEncoder) -> Iterator[Attention]:
    return (module for module in encoder.modules() if isinstance(module, Attention))


@torch.inference_mode()
def test_every_attention_gets_a_mask_that_a_fused_kernel_takes_and_sees_what_timms_sees(
    encoder: TinyVitEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fused, masks = F.scaled_dot_product_attention, list[Tensor]()

    def watched(*qkv: Tensor, attn_mask: Tensor, **rest: float) -> Tensor:
        masks.append(attn_mask)
        return fused(*qkv, attn_mask=attn_mask, **rest)

    image = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    with monkeypatch.context() as patched:
        patched.setattr(F, "scaled_dot_product_attention", watched)
        ours = encoder(image)
    assert len(masks) == len(list(attentions(encoder)))
    assert all(mask.ndim == 4 for mask in masks)
    for module in attentions(encoder):
        module.__class__ = Attention
    torch.testing.assert_close(ours, encoder(image), rtol=1e-4, atol=1e-4)
