"""vrp nano score: the figures of unseen scenes, printed and written into the cards."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.own_weights.nano import nano_app
from model.checkpoints.state_dict import read_card, rewrite_card
from schemas.errors import BadInput
from schemas.record.card import BackboneCard, VrpCard

PACKAGED = Path(__file__).parents[3] / "model/weights"


def score(weights: Path, *options: str) -> dict[str, float]:
    given = ["score", str(weights), "--categories", "mug,gear", "--episodes", "1", *options]
    return json.loads(CliRunner().invoke(nano_app, given, catch_exceptions=False).stdout)


def test_figures_go_into_the_cards_where_a_commit_is_named_and_only_there(tmp_path: Path) -> None:
    weights = shutil.copytree(PACKAGED, tmp_path / "weights")
    packaged = read_card(weights / "nano-vrp.safetensors")
    assert isinstance(packaged, VrpCard)
    # Few categories to measure min_presence on, and none measured yet.
    unmeasured = packaged.model_copy(
        update={"categories_seen": ("key", "bell"), "min_presence": None}
    )
    rewrite_card(weights / "nano-vrp.safetensors", unmeasured)
    before = {path.name: path.read_bytes() for path in weights.glob("nano-*.safetensors")}
    figures = score(weights)
    assert {path.name: path.read_bytes() for path in weights.glob("nano-*.safetensors")} == before

    assert score(weights, "--commit", "abc") == figures
    encoder = read_card(weights / "nano-vrp.safetensors")
    backbone = read_card(weights / "nano-backbone.safetensors")
    assert isinstance(encoder, VrpCard)
    assert isinstance(backbone, BackboneCard)
    assert encoder.training.commit == "abc"
    assert encoder.min_presence == figures["min_presence"]
    assert encoder.metrics["mug,gear_miou_mask_1"] == figures["miou_mask_1"]
    assert backbone.metrics["mug,gear_miou_pseudo_mask"] == figures["miou_pseudo_mask"]


def test_one_category_leaves_no_image_without_it_and_is_refused() -> None:
    given = ["score", str(PACKAGED), "--categories", "mug"]
    with pytest.raises(BadInput, match="two or more"):
        CliRunner().invoke(nano_app, given, catch_exceptions=False)
