"""Files that are not the weights a job names: refused with what they are, and never run."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from model.build import check_weights
from model.checkpoints.state_dict import (
    CARD_KEY,
    read_card,
    read_state_dict,
    save_weights,
)
from model.methods.vrp import build_vrp_encoder
from model.networks.sam import build_sam
from schemas.errors import BadWeights
from schemas.job.method import READINGS, Vrp
from schemas.job.networks import Backbone, Sam
from schemas.record.card import Training, VrpCard
from tests.made.networks.published import PUBLISHED, numbered, write_torch

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, created: Path) -> None:
        self.created = created

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.created),)


def refusal(path: Path) -> BadWeights:
    with pytest.raises(BadWeights) as caught:
        read_state_dict(path)
    assert caught.value.where == str(path)
    assert "weights_only" not in str(caught.value)
    return caught.value


def same(found: dict[str, Tensor]) -> bool:
    return found.keys() == STATE.keys() and all(found[k].equal(STATE[k]) for k in STATE)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_torch_files_old_and_new_are_read(
    tmp_path: Path, legacy: bool, wrapper: str | None
) -> None:
    state = {wrapper: STATE, "epoch": 3} if wrapper else STATE
    assert same(read_state_dict(write_torch(tmp_path / "a.pth", state, legacy=legacy)))


def test_a_safetensors_file_is_known_by_content_whatever_its_name(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "a.bin")
    assert same(read_state_dict(tmp_path / "a.bin"))


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_code_in_a_pickle_is_refused_and_not_run(tmp_path: Path, form: str) -> None:
    created, path = tmp_path / "created", tmp_path / "a.pth"
    if form == "pickle":
        path.write_bytes(pickle.dumps({**STATE, "x": Payload(created)}))
    else:
        write_torch(path, {**STATE, "x": Payload(created)}, legacy=form == "legacy")
    said = refusal(path).got
    assert said == (
        "a Python pickle that torch.save did not write"
        if form == "pickle"
        else "an object that needs code to be loaded: posix.mkdir"
    )
    assert not created.exists()
    with path.open("rb") as file:  # the payload does work: it is this reader that refuses it
        torch.load(file, weights_only=False) if form != "pickle" else pickle.load(file)  # noqa: S301
    assert created.exists()


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html>\n<html>Sign in</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", "a Git LFS pointer"),
        (b"\x89PNG\r\n\x1a\n0000", r"begins with b'\\x89PNG"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file_of_another_kind_is_described(
    tmp_path: Path, data: bytes, got: str, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    with pytest.raises(BadWeights, match=got):
        read_state_dict(path)
    with pytest.raises(BadWeights, match=got):
        read_card(path)


def test_a_torch_file_under_the_other_name_is_refused(tmp_path: Path) -> None:
    path = write_torch(tmp_path / "a.safetensors", STATE)
    assert refusal(path).got == "a torch file named .safetensors"


@pytest.mark.parametrize("state", [[1, 2], {"a": 1}, {7: torch.ones(1)}, torch.ones(2)])
def test_a_torch_file_without_a_state_dict_is_refused(tmp_path: Path, state: object) -> None:
    assert refusal(write_torch(tmp_path / "a.pth", state)).wanted.startswith("a dictionary")


@pytest.mark.filterwarnings("ignore")  # torch warns of what it is about to refuse
@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path, form: str) -> None:
    whole, path = tmp_path / "whole", tmp_path / "a.pth"
    if form == "safetensors":
        save_file(STATE, whole)
    else:
        write_torch(whole, STATE, legacy=form == "legacy")
    data = whole.read_bytes()
    for length in range(0, len(data), 11):
        path.write_bytes(data[:length])
        refusal(path)


def test_a_card_survives_the_file(tmp_path: Path) -> None:
    save_weights(STATE, tmp_path / "a.safetensors", CARD)
    assert read_card(tmp_path / "a.safetensors") == CARD
    assert same(read_state_dict(tmp_path / "a.safetensors"))


def test_a_card_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "a.safetensors", {CARD_KEY: '{"network": "vrp"}'})
    with pytest.raises(BadWeights, match="a model card cannot be read"):
        read_card(tmp_path / "a.safetensors")


CARD = VrpCard(
    network="vrp",
    sam="nano",
    backbone="nano",
    reading=READINGS["paper"],
    queries=5,
    training=Training(data="none"),
)


def method(**weights: Path) -> Vrp:
    return Vrp(
        type="vrp",
        weights=str(weights.get("vrp", "random")),
        sam=Sam(type="nano", weights=str(weights.get("sam", "random"))),
        backbone=Backbone(type="nano", weights=str(weights.get("backbone", "random"))),
        queries=5,
    )


@pytest.fixture
def vrp_file(tmp_path: Path) -> Path:
    state = build_vrp_encoder(method()).state_dict()
    save_weights(state, tmp_path / "vrp.safetensors", CARD)
    return tmp_path / "vrp.safetensors"


@pytest.fixture
def sam_file(tmp_path: Path) -> Path:
    return write_torch(tmp_path / "sam.pth", build_sam("nano").state_dict())


def wrong(found: Vrp) -> BadWeights:
    with pytest.raises(BadWeights) as caught:
        check_weights(found)
    return caught.value


def test_the_right_files_are_accepted(vrp_file: Path, sam_file: Path) -> None:
    check_weights(method(vrp=vrp_file, sam=sam_file))


def test_a_sam_named_as_vrp_weights_is_refused_by_its_keys(sam_file: Path) -> None:
    error = wrong(method(vrp=sam_file))
    assert error.where == str(sam_file)
    assert "missing: queries" in error.got
    assert "unexpected: image_encoder.pos_embed" in error.got
    assert error.wanted == "the 27 tensors of VrpEncoder"


def test_vrp_weights_named_as_sam_or_backbone_are_refused_by_their_keys(vrp_file: Path) -> None:
    for error in (wrong(method(sam=vrp_file)), wrong(method(backbone=vrp_file))):
        assert error.where == str(vrp_file)
        assert "unexpected: merge.weight" in error.got
    assert "missing: image_encoder.pos_embed" in wrong(method(sam=vrp_file)).got


def test_a_sam_of_another_size_is_refused_by_its_shapes(tmp_path: Path) -> None:
    huge = write_torch(tmp_path / "sam_vit_h_4b8939.pth", numbered(PUBLISHED["sam_vit_h_4b8939"]))
    named = Vrp(
        type="vrp",
        weights="random",
        sam=Sam(type="vit_b", weights=str(huge)),
        backbone=Backbone(type="nano", weights="random"),
    )
    error = wrong(named)
    assert "280 unexpected: image_encoder.blocks.12.norm1.weight" in error.got
    assert "image_encoder.pos_embed (1, 64, 64, 1280), wanted (1, 64, 64, 768)" in error.got


@pytest.mark.parametrize(
    ("changed", "got"),
    [
        ({"sam": "vit_b"}, "sam vit_b"),
        ({"backbone": "resnet50"}, "backbone resnet50"),
        ({"reading": READINGS["authors_code"]}, "'pseudo_mask': 'raw'"),
    ],
)
def test_vrp_weights_of_another_method_are_refused_by_their_card(
    vrp_file: Path, changed: dict[str, object], got: str
) -> None:
    card = CARD.model_copy(update=changed)
    save_weights(read_state_dict(vrp_file), vrp_file, card)
    error = wrong(method(vrp=vrp_file))
    assert error.what == "VRP weights of another method"
    assert got in error.got


def test_a_file_is_not_half_loaded(vrp_file: Path) -> None:
    state = read_state_dict(vrp_file)
    state.pop("queries")
    save_weights(state, vrp_file, CARD)
    assert wrong(method(vrp=vrp_file)).got == "1 missing: queries"
