"""SAM's encoder in every form of attention gives SAM's embedding."""

import copy
from typing import get_args

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT

from model.networks.attention_choice import fastest_forms, use_fast_attention
from model.networks.attention_forms import Form
from model.networks.flat_attention import Forms, use_flat_attention, use_forms
from model.networks.sam import build_sam
from tests.made.pixels.waves import stir

IMAGES = torch.randn(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))


def small_encoder(window_cells: int, heads: int = 2, width: int = 64) -> ImageEncoderViT:
    """10 x 10 cells: windows of 4 x 4 are padded to 12 x 12."""
    encoder = ImageEncoderViT(
        img_size=160,
        embed_dim=width,
        depth=3,
        num_heads=heads,
        out_chans=32,
        use_rel_pos=True,
        window_size=window_cells,
        global_attn_indexes=(0, 2),
    ).eval()
    stir(encoder, 2)
    return encoder


@torch.no_grad()
@pytest.mark.parametrize("window_cells", [0, 4])
def test_flat_attention_gives_the_same_embedding(window_cells: int) -> None:
    encoder = small_encoder(window_cells)
    flat = copy.deepcopy(encoder)
    use_flat_attention(flat)
    torch.testing.assert_close(flat(IMAGES), encoder(IMAGES), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("form", get_args(Form))
@pytest.mark.parametrize(("heads", "width"), [(2, 64), (2, 40)])
def test_every_form_gives_the_same_embedding(form: Form, heads: int, width: int) -> None:
    encoder = small_encoder(4, heads, width)
    other = copy.deepcopy(encoder)
    use_forms(other, Forms(form, form))
    torch.testing.assert_close(other(IMAGES), encoder(IMAGES), rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("at_once", [1, 300, 12_345])
@pytest.mark.parametrize("form", ["rows", "bias"])
def test_how_many_scores_fit_changes_nothing(
    form: Form, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.networks.attention_forms.SCORES_AT_ONCE", at_once)
    encoder = small_encoder(4)
    other = copy.deepcopy(encoder)
    use_forms(other, Forms(form, form))
    torch.testing.assert_close(other(IMAGES), encoder(IMAGES), rtol=0, atol=1e-5)


@torch.no_grad()
def test_float32_on_a_cpu_keeps_sams_own_sums() -> None:
    encoder = build_sam("nano").image_encoder
    stir(encoder, 3)
    fast = copy.deepcopy(encoder)
    assert use_fast_attention(fast) == Forms("rows", "rows")
    images = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    assert torch.equal(fast(images), encoder(images))


def test_elsewhere_the_fastest_form_that_is_right_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seconds = {"bias": None, "rows": 0.3, "padded": 0.2}
    module = "model.networks.attention_choice"
    monkeypatch.setattr(f"{module}._seconds", lambda form, *_: seconds[form])
    encoder = small_encoder(4, heads=3, width=48).to(torch.bfloat16)
    assert fastest_forms(encoder) == Forms("padded", "padded")


def test_a_form_with_another_result_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from model.networks import attention_choice  # noqa: PLC0415

    real = attention_choice.attend
    monkeypatch.setattr(
        attention_choice,
        "attend",
        lambda form, inputs: real(form, inputs) * (1 if form in ("rows", "original") else 1.2),
    )
    encoder = small_encoder(4, heads=3, width=24).to(torch.bfloat16)
    assert fastest_forms(encoder) == Forms("rows", "rows")


@pytest.mark.parametrize("use", [use_flat_attention, use_fast_attention])
def test_the_weights_of_a_flat_encoder_keep_their_names(use: object) -> None:
    encoder = build_sam("nano").image_encoder
    before = list(encoder.state_dict())
    assert callable(use)
    use(encoder)
    assert list(encoder.state_dict()) == before
