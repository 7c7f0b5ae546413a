"""VRP-SAM by two networks: `lite` finds, another SAM draws, and only the masks are both's."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from model.build import check_weights, least_presence_of
from model.checkpoints.identify import identify
from model.checkpoints.load import Loader
from model.checkpoints.state_dict import save_weights
from model.embed import SamEmbedder
from model.methods.lite_vrp import LiteNetworks, LiteVrpSegmenter, load_lite_vrp
from model.networks.lite.vrp import LiteVrp
from model.segmenter import LoadedReference, StudyOptions
from schemas.errors import BadWeights
from schemas.job.method import Vrp
from schemas.job.networks import LEARNED
from schemas.job.reference import Box
from schemas.job.weights import weights_of
from schemas.record.card import Training, VrpCard
from tests.made.pixels.waves import picture

TRUNK = {"type": "efficientnet_lite2", "weights": "random:3"}
LITE = {"type": "lite", "weights": "random:2", "trunk": TRUNK}
FINDER = {"sam": LITE, "weights": "random:1", "queries": 4}
DRAWN = {
    "type": "vrp",
    "weights": "random:5",
    "sam": {"type": "nano", "weights": "random:4"},
    "backbone": TRUNK,
    "reading": {"pseudo_mask": "learned"},
    "queries": 4,
    "finder": FINDER,
}
IMAGES = [picture(10, 48, 64), picture(11, 90, 33)]


def drawn(**changes: object) -> Vrp:
    return Vrp.model_validate({**DRAWN, **changes})


def reference(category_id: int, seed: int) -> LoadedReference:
    mask = np.zeros((60, 80), dtype=bool)
    mask[10 + seed : 40, 15 : 60 - seed] = True
    return LoadedReference(f"r{seed}", category_id, picture(seed, 60, 80), mask)


def loaded(method: Vrp) -> LiteNetworks:
    made = load_lite_vrp(method, Loader("cpu", "fp32"))
    # Fresh, they say nothing yet: every prompt would be alike.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.nn.init.normal_(made.vrp.similarity.dense.weight)
        if made.drawer is not None:
            torch.nn.init.normal_(made.drawer.vrp.similarity.dense.weight)
    return made


@pytest.fixture(scope="module")
def networks() -> LiteNetworks:
    return loaded(drawn())


def test_masks_are_both_networks_and_all_else_is_the_finders(networks: LiteNetworks) -> None:
    references = [
        reference(7, 1),
        reference(7, 3),
        LoadedReference("box", 2, picture(2, 60, 80), Box(type="box", xyxy=(10, 10, 50, 40))),
    ]
    options = StudyOptions(evidence=True)
    both = LiteVrpSegmenter(networks, references, options).segment(IMAGES)
    found = LiteVrpSegmenter(loaded(drawn().finding), references, options).segment(IMAGES)
    for image, alone in zip(both, found, strict=True):
        for one, other in zip(image, alone, strict=True):
            assert one.category_id == other.category_id
            assert one.logits_hw.shape == other.logits_hw.shape
            assert np.abs(one.logits_hw - other.logits_hw).max() > 0.01
            assert (one.score, one.presence) == (other.score, other.presence)
            signals, others = dict(one.signals or {}), dict(other.signals or {})
            assert signals.keys() == others.keys()
            for name in ("present_logit", "score_again", "first_and_box"):
                assert signals[name] == others[name]


def test_categories_change_nothing_of_each_other(networks: LiteNetworks) -> None:
    many, few = [reference(7, 1), reference(7, 3)], [reference(2, 2)]
    (together,) = LiteVrpSegmenter(networks, [*many, *few]).segment(IMAGES[:1])
    assert [p.category_id for p in together] == [2, 7]
    for own, one in zip((few, many), together, strict=True):
        ((alone,),) = LiteVrpSegmenter(networks, own).segment(IMAGES[:1])
        np.testing.assert_allclose(one.logits_hw, alone.logits_hw, rtol=0, atol=1e-3)


def test_an_embedding_from_a_store_takes_the_place_of_the_drawers_encoder(
    networks: LiteNetworks,
) -> None:
    segmenter = LiteVrpSegmenter(networks, [reference(1, 1)])
    usual = segmenter.segment(IMAGES)
    embedded = SamEmbedder(drawn(), "cpu", "fp32").embed(IMAGES)
    stored = [torch.from_numpy(one) for one in embedded]
    assert networks.drawer is not None
    ran: list[object] = []
    handle = networks.drawer.sam.image_encoder.register_forward_hook(
        lambda *given: ran.append(given)
    )
    again = segmenter.segment(IMAGES, stored)
    handle.remove()
    assert not ran
    for one, other in zip(usual, again, strict=True):
        np.testing.assert_allclose(one[0].logits_hw, other[0].logits_hw, rtol=0, atol=2e-3)


def test_the_lite_of_this_package_finds_unless_a_job_names_another() -> None:
    left_out = Vrp.model_validate(
        {k: v for k, v in DRAWN.items() if k != "finder"}
        | {"backbone": {"type": "efficientnet_lite2", "weights": "efficientnet-lite2"}}
    )
    assert left_out.finder is not None
    assert (
        left_out.finding.model_dump()
        == Vrp.model_validate(
            {
                "type": "vrp",
                "weights": "lite-vrp",
                "sam": {"type": "lite", "weights": "lite-sam"},
                "backbone": {"type": "efficientnet_lite2", "weights": "efficientnet-lite2"},
                "queries": 24,
            }
        ).model_dump()
    )
    assert weights_of(drawn())["method.finder.weights"] == "random:1"
    assert weights_of(drawn())["method.finder.sam.weights"] == "random:2"
    lite = drawn(sam=LITE, finder=None)
    assert lite.finder is None
    assert lite.finding is lite
    assert least_presence_of(drawn(min_presence=0.4)) == 0.4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": {"type": "resnet50", "weights": "random"}}, "wanted efficientnet_lite2"),
        ({"reading": {"pseudo_mask": "learned", "sam_input": "via_512"}}, "and resize_once"),
        ({"reading": {}}, "wanted another SAM than lite, and learned"),
        ({"sam": LITE}, "wanted another SAM than lite, and learned"),
        ({"finder": {"sam": {"type": "nano", "weights": "random"}}}, "wanted lite"),
        ({"backbone": {**TRUNK, "weights": "random:9"}}, "wanted one network"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        drawn(**changes)


def test_an_encoders_file_is_known_by_what_it_reads_and_checked_by_its_card(
    tmp_path: Path,
) -> None:
    path = tmp_path / "vrp.safetensors"
    card = VrpCard(
        network="vrp",
        sam="nano",
        backbone="efficientnet_lite2",
        reading=LEARNED,
        queries=4,
        training=Training(data="none"),
    )
    save_weights(LiteVrp(128, 4, 128).state_dict(), path, card)
    assert (identify(path).kind, identify(path).types) == ("vrp", ("efficientnet_lite2",))
    check_weights(drawn(weights=str(path)))
    with pytest.raises(BadWeights, match="queries 4"):
        check_weights(drawn(weights=str(path), queries=5))
    with pytest.raises(BadWeights, match="sam nano"):
        check_weights(drawn(weights=str(path), sam={"type": "vit_b", "weights": "random"}))
