"""SAM `lite` and VRP-SAM over it: one pass of the trunk for each image, the same masks always."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from model.build import build_segmenter, check_weights
from model.checkpoints.identify import identify
from model.checkpoints.load import Loader
from model.checkpoints.state_dict import save_weights
from model.masks.rasterise import rasterise_all
from model.methods.lite_vrp import LiteNetworks, LiteVrpSegmenter, load_lite_vrp
from model.networks.backbone import backbone_maps
from model.networks.lite.completion import complete
from model.networks.lite.sam import LiteVrp
from model.networks.lite.trunk import GRID
from model.networks.sam import build_sam
from model.segmenter import LoadedReference, Prediction, StudyOptions
from schemas.errors import BadWeights
from schemas.job.method import Method, Vrp, VrpReading
from schemas.job.networks import LITE_TRUNK, Sam
from schemas.job.reference import Box, Points, Scribbles
from schemas.job.weights import weights_of
from schemas.record.card import Training, VrpCard
from tests.made.pixels.waves import picture

TRUNK = {"type": "efficientnet_lite2", "weights": "random:3"}
LITE = {"type": "lite", "weights": "random:2", "trunk": TRUNK}
QUERIES = 4


def method(weights: str = "random:1", **changes: object) -> Vrp:
    document = {
        "type": "vrp",
        "weights": weights,
        "sam": LITE,
        "backbone": TRUNK,
        "queries": QUERIES,
    }
    return Vrp.model_validate({**document, **changes})


def reference(category_id: int, seed: int) -> LoadedReference:
    mask = np.zeros((60, 80), dtype=bool)
    mask[10 + seed : 40, 15 : 60 - seed] = True
    return LoadedReference(f"r{seed}", category_id, picture(seed, 60, 80), mask)


IMAGES = [picture(10, 48, 64), picture(11, 90, 33)]


@pytest.fixture(scope="module")
def networks() -> LiteNetworks:
    made = load_lite_vrp(method(), Loader("cpu", "fp32"))
    # Fresh, it says nothing yet: every prompt would be alike.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.nn.init.normal_(made.vrp.similarity.dense.weight)
    return made


@pytest.fixture
def passes(networks: LiteNetworks) -> Iterator[list[int]]:
    """The number of images of each pass through the trunk."""
    counted: list[int] = []
    handle = networks.trunk.register_forward_hook(
        lambda _, inputs, __: counted.append(len(inputs[0]))
    )
    yield counted
    handle.remove()


def same(first: tuple[Prediction, ...], second: tuple[Prediction, ...]) -> None:
    assert [p.category_id for p in first] == [p.category_id for p in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one.logits_hw, other.logits_hw, rtol=0, atol=1e-3)
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.presence == pytest.approx(other.presence, abs=1e-4)


def test_categories_with_other_numbers_of_references_change_nothing_and_cost_one_pass(
    networks: LiteNetworks, passes: list[int]
) -> None:
    many, few = [reference(7, 1), reference(7, 3)], [reference(2, 2)]
    segmenter = LiteVrpSegmenter(networks, [*many, *few])
    studied = sum(passes)
    together = segmenter.segment(IMAGES)
    assert studied == 3
    assert passes[-2:] == [1, 1]
    assert sum(passes) == 3 + len(IMAGES)
    alone = [LiteVrpSegmenter(networks, own).segment(IMAGES) for own in (few, many)]
    for image, predictions in enumerate(together):
        assert [p.category_id for p in predictions] == [2, 7]
        same(predictions, (*alone[0][image], *alone[1][image]))
        assert all(p.logits_hw.shape == (192, 192) for p in predictions)
        assert all(0 < (p.presence or 0) < 1 for p in predictions)


def test_many_categories_are_asked_for_in_turn_and_get_what_they_would_alone(
    networks: LiteNetworks, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    references = [reference(category, category) for category in (1, 2, 3, 4, 5)]
    at_once = LiteVrpSegmenter(networks, references).segment(IMAGES)
    monkeypatch.setattr("model.methods.lite_vrp.CATEGORIES_PER_PASS", 2)
    segmenter = LiteVrpSegmenter(networks, references)
    passes.clear()
    for ours, theirs in zip(segmenter.segment(IMAGES), at_once, strict=True):
        same(ours, theirs)
    assert sum(passes) == len(IMAGES)


def test_a_stored_embedding_changes_nothing(networks: LiteNetworks) -> None:
    segmenter = LiteVrpSegmenter(networks, [reference(1, 1)])
    stored = torch.zeros(128, GRID, GRID)
    (usual,), (other,) = segmenter.segment(IMAGES[:1]), segmenter.segment(IMAGES[:1], [stored])
    assert (usual[0].logits_hw == other[0].logits_hw).all()


def test_below_min_presence_there_is_no_mask(networks: LiteNetworks) -> None:
    strict = replace(networks, min_presence=1.0)
    ((found,),) = LiteVrpSegmenter(strict, [reference(1, 1)]).segment(IMAGES[:1])
    assert found.score == 0
    assert not (found.logits_hw > -1000).any()


def test_asked_for_evidence_it_says_how_much_is_of_each_categorys_kind(
    networks: LiteNetworks, passes: list[int]
) -> None:
    references = [reference(7, 1), reference(7, 3), reference(2, 2)]
    plain = LiteVrpSegmenter(networks, references).segment(IMAGES)
    passes.clear()
    options = StudyOptions(evidence=True)
    judged = LiteVrpSegmenter(networks, references, options).segment(IMAGES)
    # Each reference again, cut out; each image still once.
    assert passes[-len(IMAGES) :] == [1] * len(IMAGES)
    for before, after in zip(plain, judged, strict=True):
        same(before, after)
        signals = [one.signals or {} for one in after]
        assert all(np.isfinite(list(one.values())).all() for one in signals)
        # Of two categories one's lead is the other's lag.
        assert signals[0]["kind_peak_rivalry"] == pytest.approx(-signals[1]["kind_peak_rivalry"])
        assert all(-1 <= one["kind"] <= one["kind_peak"] + 1 for one in signals)
    lone = LiteVrpSegmenter(networks, references[:2], options).segment(IMAGES[:1])[0][0].signals
    assert lone is not None
    assert lone["kind_rivalry"] == lone["kind_peak_rivalry"] == 0


@pytest.mark.parametrize(
    "drawn",
    [
        Points(type="points", points=((20, 20), (30, 25))),
        Scribbles(type="scribbles", strokes=(((10, 10), (30, 30)),)),
        Box(type="box", xyxy=(10, 10, 40, 30)),
    ],
    ids=lambda drawn: drawn.type,
)
def test_what_points_are_completed_to_is_what_presence_is_told_by(
    networks: LiteNetworks, drawn: Points | Scribbles | Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Untrained, it finds about half of an image.
    monkeypatch.setitem(networks.vrp._buffers, "offset", torch.tensor(0.035))
    partly = LoadedReference("r", 1, picture(1, GRID, GRID), drawn)
    maps = backbone_maps(networks.trunk, [partly.image_HW3])
    cells_Rhw = torch.from_numpy(rasterise_all([partly], (GRID, GRID))).float()
    is_box_R = torch.tensor([isinstance(drawn, Box)])
    with torch.inference_mode():
        whole_Rhw = complete(networks.sam, networks.vrp, maps, cells_Rhw, is_box_R)
    assert not torch.equal(whole_Rhw, cells_Rhw)
    whole = replace(partly, annotation=whole_Rhw[0].bool().numpy())
    options = StudyOptions(evidence=True)
    found, wanted = (
        LiteVrpSegmenter(networks, [one], options).segment(IMAGES) for one in (partly, whole)
    )
    for ours, theirs in zip(found, wanted, strict=True):
        assert [one.signals for one in ours] == [one.signals for one in theirs]
    # Strokes that were drawn already, as an evaluation simulates them.
    drawn_HW = cells_Rhw[0].bool().numpy()
    simulated = replace(partly, annotation=drawn_HW, of_strokes=not isinstance(drawn, Box))
    if simulated.of_strokes:
        again = LiteVrpSegmenter(networks, [simulated], options).segment(IMAGES)
        for ours, theirs in zip(again, wanted, strict=True):
            same(ours, theirs)


@pytest.mark.parametrize("backbone", [None, TRUNK], ids=["alone", "with its trunk"])
@pytest.mark.parametrize("name", ["gp_sam", "persam", "matcher"])
def test_points_boxes_and_masks_prompt_lite(name: str, backbone: object) -> None:
    document = {"type": name, "sam": LITE, "backbone": backbone}
    if name == "matcher":
        document["proposals"] = 3
    chosen = TypeAdapter[Method](Method).validate_python(document)
    ((found,),) = build_segmenter(chosen, [reference(1, 1)], "cpu", "bf16").segment(IMAGES[:1])
    assert found.logits_hw.shape == (192, 192)
    assert np.isfinite(found.logits_hw).all()


def test_files_of_lite_are_known_by_what_they_hold_and_checked_by_their_card(
    tmp_path: Path,
) -> None:
    sam, vrp = tmp_path / "sam.safetensors", tmp_path / "vrp.safetensors"
    save_weights(build_sam("lite").state_dict(), sam, None)
    card = VrpCard(
        network="vrp",
        sam="lite",
        backbone="efficientnet_lite2",
        reading=VrpReading(),
        queries=QUERIES,
        training=Training(data="none"),
    )
    save_weights(LiteVrp(queries=QUERIES).state_dict(), vrp, card)
    assert (identify(sam).kind, identify(sam).types) == ("sam", ("lite",))
    assert (identify(vrp).kind, identify(vrp).types) == ("vrp", ("efficientnet_lite2",))
    check_weights(method(str(vrp), sam={**LITE, "weights": str(sam)}))
    with pytest.raises(BadWeights, match="queries 4"):
        check_weights(method(str(vrp), queries=5))


def test_the_trunk_of_lite_is_the_published_one_unless_a_job_names_another() -> None:
    published = Sam.model_validate({"type": "lite", "weights": "x"})
    assert published.trunk is not None
    assert published.trunk.model_dump() == LITE_TRUNK
    assert weights_of(method())["method.sam.trunk.weights"] == "random:3"
    with pytest.raises(ValidationError, match="only lite reads maps"):
        Sam.model_validate({"type": "vit_b", "weights": "x", "trunk": TRUNK})
    with pytest.raises(ValidationError, match="wanted one network"):
        method(backbone={"type": "efficientnet_lite2", "weights": "random:4"})
