"""What methods ask of a GPU, on a device without values (tests/made/networks/fake_cuda.py)."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor
from torch.nn import functional as F

from model.build import load_method
from model.checkpoints.load import Loader
from model.checkpoints.state_dict import check_fit
from model.embed import SamEmbedder
from model.methods.vrp import load_vrp
from model.networks.attention import choice as attention_choice
from model.networks.attention.flat import Forms
from model.networks.attention.forms import Form
from model.segmenter import PLAIN, Beginner, Prediction, Segmenter, StudyOptions
from model.training.train_step import EpisodeTensors, episode_losses, freeze
from schemas.job.method import Method, Vrp
from tests.made.networks.fake_cuda import CUDA, Record, fake_cuda
from tests.made.networks.methods import IMAGES, method, reference

NANO = {"type": "nano", "weights": "random"}
VRP = {"type": "vrp", "weights": "random", "sam": NANO, "backbone": NANO}
TRUNK = {"type": "efficientnet_lite2", "weights": "random"}
LITE = {
    "type": "vrp",
    "weights": "random",
    "sam": {"type": "lite", "weights": "random", "trunk": TRUNK},
    "backbone": TRUNK,
}
EVERY = pytest.mark.parametrize(
    "name", ["vrp", "gp_sam both", "persam aligned", "persam_f", "matcher", "matcher backbone"]
)
BFLOAT16 = pytest.mark.parametrize("precision", ["bf16", "fp32"])


@pytest.fixture(autouse=True)
def padded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be timed here: take the form that flash attention takes."""
    choose(monkeypatch, "padded")


def choose(monkeypatch: pytest.MonkeyPatch, form: Form) -> None:
    monkeypatch.setattr(attention_choice, "fastest_forms", lambda _: Forms(form, form))


def asked(name: str) -> Method:
    if name in ("vrp", "lite"):
        return TypeAdapter[Method](Method).validate_python(VRP if name == "vrp" else LITE)
    return method(name)


def build(chosen: Method, precision: str = "bf16", options: StudyOptions = PLAIN) -> Segmenter:
    """Load weights without values onto the fake device, by the product's own code."""
    assert precision in ("bf16", "fp32")
    with torch.device("meta"):
        study = load_method(chosen, Loader("cuda", precision, check_fit))
    return study([reference(7, 1), reference(2, 2), reference(2, 3)], options)


def segment(
    chosen: Method, images: Sequence[np.ndarray] = IMAGES, precision: str = "bf16"
) -> tuple[list[tuple[Prediction, ...]], Record]:
    with fake_cuda() as record:
        segmenter = build(chosen, precision)
        record.clear()
        return segmenter.segment(images), record


@EVERY
def test_every_method_keeps_to_its_device_in_float32(name: str) -> None:
    predictions, _ = segment(asked(name), IMAGES, "fp32")
    for of_image in predictions:
        assert [prediction.category_id for prediction in of_image] == [2, 7]
        assert all(prediction.logits_hw.dtype == np.float32 for prediction in of_image)


@pytest.mark.parametrize("images", [1, 2, 5])
def test_a_batch_of_vrp_waits_once_and_uploads_each_image_once(images: int) -> None:
    _, record = segment(asked("vrp"), (IMAGES * 3)[:images])
    assert (record.to_host.total(), record.waits.total()) == (3, 1), record.to_host
    assert record.to_device.total() == images, record.to_device
    assert not record.values
    assert not record.host_indices


def test_a_batch_of_vrp_is_begun_without_waiting() -> None:
    with fake_cuda() as record:
        segmenter = build(asked("vrp"))
        assert isinstance(segmenter, Beginner)
        assert segmenter.begins
        record.clear()
        finish = segmenter.begin(IMAGES)
        assert not record.waits
        assert not record.values
        assert not record.host_indices
        assert record.to_device.total() == len(IMAGES), record.to_device
        assert [len(of_image) for of_image in finish()] == [2, 2]
        assert record.waits.total() == 1


def test_vrp_asked_for_signals_is_begun_all_the_same() -> None:
    with fake_cuda() as record:
        segmenter = build(asked("vrp"), options=StudyOptions(evidence=True))
        assert isinstance(segmenter, Beginner)
        assert segmenter.begins
        record.clear()
        finish = segmenter.begin(IMAGES)
        assert not record.waits
        assert all("kind" in (one.signals or {}) for found in finish() for one in found)


@pytest.mark.parametrize("name", ["lite", "vrp", "gp_sam both"])
def test_signals_of_presence_keep_to_their_device_and_wait_twice_an_image(name: str) -> None:
    _, plain = segment(asked(name))
    with fake_cuda() as record:
        segmenter = build(asked(name), options=StudyOptions(evidence=True))
        record.clear()
        for predictions in segmenter.segment(IMAGES):
            assert all("kind_rivalry" in (one.signals or {}) for one in predictions)
        assert record.values.total() == plain.values.total(), record.values
        more = record.to_host - plain.to_host
        assert more.total() == 2 * len(IMAGES), more
        assert record.host_indices.total() == plain.host_indices.total(), record.host_indices


def test_lite_keeps_to_its_device_and_waits_only_for_what_it_returns() -> None:
    predictions, record = segment(asked("lite"), IMAGES, "fp32")
    assert [len(of_image) for of_image in predictions] == [2, 2]
    # Logits, and scores with presence: of the category with one reference, and of that with two.
    assert record.to_host.total() == 4, record.to_host
    assert not record.values
    assert record.to_device.total() == len(IMAGES), record.to_device
    assert not record.host_indices


@EVERY
def test_every_attention_in_bf16_is_one_that_a_fused_kernel_takes(name: str) -> None:
    predictions, record = segment(asked(name))
    assert [len(of_image) for of_image in predictions] == [2, 2]
    assert record.attentions
    assert [a for a in record.attentions if not a.fused] == []
    # Target-guided attention normalises twice, which no fused kernel does: both decoder blocks.
    assert record.softmaxes.total() == (4 if name == "persam aligned" else 0), record.softmaxes


@pytest.mark.parametrize(
    ("sam", "form"),
    [
        ("vit_t", "padded"),
        ("vit_b", "padded"),
        ("vit_b", "bias"),
        ("vit_h", "padded"),
        ("vit_b", "tiles"),
        ("vit_l", "tiles"),
        ("vit_h", "tiles"),
    ],
)
def test_every_size_of_sam_attends_by_fused_kernels(
    sam: str, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    if form == "tiles":
        pytest.importorskip("triton")
    choose(monkeypatch, form)
    chosen = TypeAdapter[Vrp](Vrp).validate_python(
        VRP | {"sam": {"type": sam, "weights": "random"}}
    )
    with fake_cuda() as record:
        with torch.device("meta"):
            embedder = SamEmbedder(chosen, "cuda", "bf16")
        record.clear()
        embeddings = embedder.embed(IMAGES)
    assert [e.shape for e in embeddings] == [(256, 64, 64)] * 2
    assert [a for a in record.attentions if not a.fused] == []
    assert not record.softmaxes
    assert (record.to_host.total(), record.to_device.total()) == (1, 2)
    assert not record.host_indices


@BFLOAT16
def test_a_training_step_keeps_to_its_device(precision: str) -> None:
    chosen = TypeAdapter[Vrp](Vrp).validate_python(VRP)
    with fake_cuda() as record:
        with torch.device("meta"):
            networks = load_vrp(chosen, Loader("cuda", "fp32"))
        freeze(networks, precision)
        record.clear()
        losses_B = episode_losses(networks, networks.encoder, [an_episode(1), an_episode(2)])
        assert (losses_B.device, losses_B.shape) == (CUDA, (2,))
    assert not record.host_indices
    if precision == "bf16":
        assert [a for a in record.attentions if not a.fused] == []


def an_episode(seed: int) -> EpisodeTensors:
    annotation_hw = torch.zeros(24, 24)
    annotation_hw[4:20, 6:15] = 1
    return EpisodeTensors(
        references_R3HW=torch.zeros(1, 3, 192, 192),
        annotations_Rhw=annotation_hw[None],
        target_3HW=torch.zeros(3, 192, 192),
        truth_HW=torch.zeros(256, 256),
        valid_HW=torch.ones(256, 256, dtype=torch.bool),
        seed=seed,
    )


def plant(monkeypatch: pytest.MonkeyPatch, fault: object) -> None:
    """Let every decoding of the product go wrong in one way."""
    import model.methods.vrp  # noqa: PLC0415

    real = model.methods.vrp.decode

    def decode(decoder: object, embedding: Tensor, *rest: object) -> object:
        assert callable(fault)
        return real(decoder, fault(embedding), *rest)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr("model.methods.vrp.decode", decode)


def test_a_planted_tensor_of_the_cpu_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, lambda embedding: embedding + torch.ones(16, 16, dtype=torch.bfloat16))
    with pytest.raises(RuntimeError, match="at least two devices, cuda:0 and cpu"):
        segment(asked("vrp"))


def test_a_planted_float32_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, lambda embedding: embedding.float())
    with pytest.raises(RuntimeError, match=r"dtype|BFloat16|bfloat16"):
        segment(asked("vrp"))


def test_a_planted_wait_is_found_by_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, lambda embedding: embedding * embedding.abs().max().item())
    _, record = segment(asked("vrp"))
    assert record.values.total() == 1
    assert next(iter(record.values)).startswith("model/methods/vrp.py:")


def test_a_planted_index_of_the_cpu_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, lambda embedding: embedding[list(range(len(embedding)))])
    _, record = segment(asked("vrp"))
    assert record.host_indices.total() + record.to_device.total() - len(IMAGES) >= 1


def test_a_planted_attention_of_two_widths_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def attend(embedding: Tensor) -> Tensor:
        tokens = embedding.flatten(2).transpose(1, 2)
        F.scaled_dot_product_attention(tokens, tokens, tokens[..., :64])
        return embedding

    plant(monkeypatch, attend)
    _, record = segment(asked("vrp"))
    assert [a.value[-1] for a in record.attentions if not a.fused] == [64]
