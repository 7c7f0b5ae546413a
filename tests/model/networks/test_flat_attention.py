"""SAM's encoder without its position bias in memory gives SAM's embedding."""

import copy

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT

from model.networks.flat_attention import use_flat_attention
from model.networks.sam import build_sam
from tests.made.waves import stir


@torch.no_grad()
@pytest.mark.parametrize("window_cells", [0, 4])
def test_flat_attention_gives_the_same_embedding(window_cells: int) -> None:
    encoder = ImageEncoderViT(
        img_size=160,
        embed_dim=64,
        depth=3,
        num_heads=2,
        out_chans=32,
        use_rel_pos=True,
        window_size=window_cells,
        global_attn_indexes=(0, 2),
    ).eval()
    stir(encoder, 2)
    flat = copy.deepcopy(encoder)
    use_flat_attention(flat)
    images = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(flat(images), encoder(images), rtol=0, atol=1e-5)


def test_the_weights_of_a_flat_encoder_keep_their_names() -> None:
    encoder = build_sam("nano").image_encoder
    before = list(encoder.state_dict())
    use_flat_attention(encoder)
    assert list(encoder.state_dict()) == before
