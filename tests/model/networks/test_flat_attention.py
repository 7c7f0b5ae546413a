"""SAM's encoder in every form of attention gives SAM's embedding."""

import copy
from typing import get_args

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT

from model.networks.attention.choice import fastest_forms, use_fast_attention
from model.networks.attention.flat import Forms, use_flat_attention, use_forms
from model.networks.attention.forms import FORM_FAULTS, Form
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


# Tiles are of heads whose channels are a power of 2 of 16 and more, or a sum of two.
CASES = [("tiles", 2, 64), ("tiles", 3, 48), ("tiles", 2, 160), ("tiles", 2, 96)]
CASES += [(form, 2, width) for form in get_args(Form) for width in (64, 40) if form != "tiles"]


@torch.no_grad()
@pytest.mark.parametrize(("form", "heads", "width"), CASES)
def test_every_form_gives_the_same_embedding(form: Form, heads: int, width: int) -> None:
    if form == "tiles":
        pytest.importorskip("triton")
    encoder = small_encoder(4, heads, width)
    other = copy.deepcopy(encoder)
    use_forms(other, Forms(form, form))
    torch.testing.assert_close(other(IMAGES), encoder(IMAGES), rtol=0, atol=1e-5)


@torch.no_grad()
def test_tiles_of_a_whole_image_are_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    monkeypatch.setattr("model.networks.attention.tiles.CELLS", 16)
    encoder = build_sam("nano").image_encoder
    stir(encoder, 3)
    other = copy.deepcopy(encoder)
    use_forms(other, Forms("tiles", "tiles"))
    images = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(other(images), encoder(images), rtol=0, atol=1e-5)


@torch.no_grad()
def test_tiles_that_a_gpu_cannot_run_are_a_form_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = pytest.importorskip("triton.runtime.errors")

    class TooLarge:
        def __getitem__(self, _: object) -> object:
            raise errors.OutOfResources(300_000, 232_448, "shared memory")

    monkeypatch.setattr("model.networks.attention.tiles._window_kernel", TooLarge())
    encoder = small_encoder(4, 2, 64)
    use_forms(encoder, Forms("rows", "tiles"))
    with pytest.raises(FORM_FAULTS, match="the kernel of tiles cannot run here"):
        encoder(IMAGES)


@torch.no_grad()
def test_tiles_refuse_heads_of_another_width() -> None:
    pytest.importorskip("triton")
    encoder = small_encoder(4, 2, 40)
    use_forms(encoder, Forms("tiles", "tiles"))
    with pytest.raises(ValueError, match="heads of 20 channels"):
        encoder(IMAGES)


@torch.no_grad()
@pytest.mark.parametrize("at_once", [1, 300, 12_345])
@pytest.mark.parametrize("form", ["rows", "bias"])
def test_how_many_scores_fit_changes_nothing(
    form: Form, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.networks.attention.forms.SCORES_AT_ONCE", at_once)
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
    module = "model.networks.attention.choice"
    monkeypatch.setattr(f"{module}._seconds", lambda form, *_: seconds[form])
    encoder = small_encoder(4, heads=3, width=48).to(torch.bfloat16)
    assert fastest_forms(encoder) == Forms("padded", "padded")


def test_a_form_with_another_result_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from model.networks.attention import choice as attention_choice  # noqa: PLC0415

    real = attention_choice.attend_grid
    monkeypatch.setattr(
        attention_choice,
        "attend_grid",
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
