"""Figures of cards: only what was measured is written, and what is written is read again."""

from pathlib import Path

import pytest
import torch

from model.checkpoints.state_dict import read_card
from model.networks.lite.trunk import build_trunk
from model.training.lite import LiteNetworks
from pipeline.lite.score import score_photos
from pipeline.lite.shown import show_photos
from pipeline.lite.train import ADAPTING
from pipeline.lite.weights import Provenance, export_weights
from schemas.record.card import CARD
from tests.made.pixels.pictures import photo


@pytest.mark.filterwarnings("error")
def test_weights_scored_on_one_category_alone_are_written_without_what_needs_two_and_read_again(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    trunk = build_trunk()
    networks = LiteNetworks(trunk).eval()
    photos = [photo(f"shop-{number}", f"group {number}", "cup") for number in range(2)]
    figures = score_photos(networks, show_photos(trunk, photos, ["cup"]), 1)
    provenance = Provenance("two cups", "here", "", 1, 0.1)
    for path in export_weights(networks, ADAPTING, provenance, figures, tmp_path):
        card = read_card(path)
        assert card is not None
        assert card.metrics.keys().isdisjoint({"false_masks", "auroc"})
        assert {"miou_mask", "iou_box"} & card.metrics.keys()


def test_cards_that_earlier_exports_wrote_with_nothing_for_a_figure_are_read() -> None:
    text = (
        '{"network": "sam", "type": "lite", "training": {"data": "two cups"}, '
        '"metrics": {"auroc": null, "miou_mask": 0.5}}'
    )
    assert CARD.validate_json(text).metrics == {"miou_mask": 0.5}


def test_a_photo_of_someone_elses_is_not_said_to_lack_what_it_does_not_name() -> None:
    categories = ["horse", "cup", "dog"]
    photos = [photo(f"shop-{name}", name, name) for name in categories]
    lacks = {one.category: one.lacks for one in show_photos(build_trunk(), photos, categories)}
    assert lacks == {"horse": {"dog"}, "dog": {"horse"}, "cup": set()}
