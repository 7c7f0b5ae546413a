"""VRP-SAM as a segmenter: what an image's masks may depend on, and what not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.build import build_segmenter
from model.checkpoints.load import Loader
from model.checkpoints.state_dict import save_weights
from model.masks.upsample import mask_at
from model.methods.vrp import VrpNetworks, VrpSegmenter, load_vrp
from model.segmenter import Drawn, LoadedReference, Prediction
from schemas.job.method import READINGS, Vrp, VrpReading
from schemas.job.networks import Backbone, Sam
from schemas.job.reference import Box, Points, Scribbles
from schemas.record.card import Training, VrpCard
from tests.made.pixels.waves import picture, stir


def method(reading: VrpReading | None = None, seed: int = 1) -> Vrp:
    return Vrp(
        type="vrp",
        weights=f"random:{seed}",
        sam=Sam(type="nano", weights="random:2"),
        backbone=Backbone(type="nano", weights="random:3"),
        reading=reading or VrpReading(),
        queries=5,
    )


def made_networks(reading: VrpReading | None = None) -> VrpNetworks:
    made = load_vrp(method(reading), Loader("cpu", "fp32"))
    for number, module in enumerate((made.sam, made.backbone, made.encoder)):
        stir(module, number)
    return made


@pytest.fixture(scope="module")
def networks() -> VrpNetworks:
    return made_networks()


def reference(category_id: int, seed: int, annotation: Drawn | None = None) -> LoadedReference:
    mask = np.zeros((120, 160), dtype=bool)
    mask[20 + seed : 70, 30 : 110 - seed] = True
    drawn = mask if annotation is None else annotation
    return LoadedReference(f"r{seed}", category_id, picture(seed, 120, 160), drawn)


def every_format(category_id: int) -> list[LoadedReference]:
    return [
        reference(category_id, 1),
        reference(category_id, 2, Box(type="box", xyxy=(10, 20, 90, 100))),
        reference(category_id, 3, Points(type="points", points=((5, 5), (80, 60)))),
        reference(category_id, 4, Scribbles(type="scribbles", strokes=(((10, 10), (90, 80)),))),
    ]


IMAGES = [picture(10, 96, 128), picture(11, 300, 77), picture(12, 256, 256)]


def same(first: Sequence[Prediction], second: Sequence[Prediction], atol: float = 0.0) -> None:
    assert [p.category_id for p in first] == [p.category_id for p in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one.logits_hw, other.logits_hw, rtol=0, atol=atol)
        np.testing.assert_allclose(one.score, other.score, rtol=0, atol=atol)
        assert one.presence is not None
        assert other.presence is not None
        np.testing.assert_allclose(one.presence, other.presence, rtol=0, atol=atol)


def test_an_image_has_the_same_masks_alone_and_in_a_batch(networks: VrpNetworks) -> None:
    segmenter = VrpSegmenter(networks, [reference(1, 1), reference(2, 2)])
    together = segmenter.segment(IMAGES)
    for image, predictions in zip(IMAGES, together, strict=True):
        same(segmenter.segment([image])[0], predictions)


def test_an_image_has_the_same_masks_on_one_thread_and_on_two(networks: VrpNetworks) -> None:
    before = torch.get_num_threads()
    masks = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            predictions = VrpSegmenter(networks, [reference(1, 1)]).segment(IMAGES)
            masks.append([mask_at(p[0], (96, 128), 0.0) for p in predictions])
    finally:
        torch.set_num_threads(before)
    assert all((one == two).all() for one, two in zip(*masks, strict=True))


def test_predictions_come_by_category_id_in_whatever_order_references_are(
    networks: VrpNetworks,
) -> None:
    references = [reference(7, 1), reference(2, 2), reference(7, 3), reference(4, 4)]
    forwards = VrpSegmenter(networks, references).segment(IMAGES[:1])[0]
    backwards = VrpSegmenter(networks, [references[i] for i in (1, 3, 0, 2)]).segment(IMAGES[:1])[0]
    assert [p.category_id for p in forwards] == [2, 4, 7]
    same(forwards, backwards)


def test_categories_with_other_numbers_of_references_change_nothing(networks: VrpNetworks) -> None:
    many, few = every_format(1), [reference(2, 5)]
    together = VrpSegmenter(networks, [*many, *few]).segment(IMAGES)
    alone = [
        (one[0], other[0])
        for one, other in zip(
            VrpSegmenter(networks, many).segment(IMAGES),
            VrpSegmenter(networks, few).segment(IMAGES),
            strict=True,
        )
    ]
    for predictions, (one, other) in zip(together, alone, strict=True):
        same(predictions, [one, other], atol=1e-5)


def test_a_second_reference_of_another_format_changes_the_mask(networks: VrpNetworks) -> None:
    one = VrpSegmenter(networks, [reference(1, 1)]).segment(IMAGES[:1])[0][0]
    two = VrpSegmenter(networks, every_format(1)).segment(IMAGES[:1])[0][0]
    assert np.abs(one.logits_hw - two.logits_hw).max() > 1e-4


@pytest.mark.parametrize(
    "choice",
    [
        {"pseudo_mask": "raw"},
        {"mask_scale": 10.0},
        {"masked_block5": True},
        {"sam_input": "via_512"},
    ],
    ids=lambda choice: next(iter(choice)),
)
def test_every_choice_of_the_reading_matters(
    networks: VrpNetworks, choice: dict[str, object]
) -> None:
    usual = VrpSegmenter(networks, [reference(1, 1)])
    other = VrpSegmenter(made_networks(VrpReading.model_validate(choice)), [reference(1, 1)])
    logits = [s.segment(IMAGES[:1])[0][0].logits_hw for s in (usual, other)]
    assert np.abs(logits[0] - logits[1]).max() > 1e-5


def test_below_min_presence_there_is_no_mask_and_the_presence_stays(networks: VrpNetworks) -> None:
    references = [reference(1, 1), reference(2, 2)]
    free = VrpSegmenter(networks, references).segment(IMAGES[:1])[0]
    likely, unlikely = sorted(free, key=lambda one: -(one.presence or 0))
    assert likely.presence is not None
    strict = replace(networks, min_presence=likely.presence)
    made = {p.category_id: p for p in VrpSegmenter(strict, references).segment(IMAGES[:1])[0]}
    kept, left_out = made[likely.category_id], made[unlikely.category_id]
    assert (kept.logits_hw == likely.logits_hw).all()
    assert (kept.presence, left_out.presence) == (likely.presence, unlikely.presence)
    assert not mask_at(left_out, (96, 128), 0.0).any()
    assert left_out.score == 0


def test_min_presence_is_the_jobs_own_else_what_the_card_recommends(tmp_path: Path) -> None:
    weights = tmp_path / "vrp.safetensors"
    made = load_vrp(method(), Loader("cpu", "fp32"))
    card = VrpCard(
        network="vrp",
        sam="nano",
        backbone="nano",
        reading=VrpReading(),
        queries=5,
        min_presence=0.75,
        training=Training(data="none"),
    )
    save_weights(made.encoder.state_dict(), weights, card)
    trained = method().model_copy(update={"weights": str(weights)})
    assert made.min_presence is None
    assert load_vrp(trained, Loader("cpu", "fp32")).min_presence == 0.75
    own = trained.model_copy(update={"min_presence": 0.5})
    assert load_vrp(own, Loader("cpu", "fp32")).min_presence == 0.5


def test_a_job_that_chooses_no_min_presence_is_described_as_before_there_was_one() -> None:
    assert "min_presence" not in method().model_dump()
    assert method().model_copy(update={"min_presence": 0.5}).model_dump()["min_presence"] == 0.5


def test_random_weights_are_the_same_for_a_seed_and_differ_for_another() -> None:
    torch.manual_seed(99)
    state = torch.get_rng_state()

    def logits(seed: int) -> np.ndarray:
        segmenter = build_segmenter(method(seed=seed), [reference(1, 1)], "cpu", "fp32")
        return segmenter.segment(IMAGES[:1])[0][0].logits_hw

    assert (logits(1) == logits(1)).all()
    assert (logits(1) != logits(4)).any()
    assert torch.equal(torch.get_rng_state(), state)


def test_bf16_masks_are_nearly_those_of_fp32() -> None:
    made = {p: load_vrp(method(READINGS["paper"]), Loader("cpu", p)) for p in ("fp32", "bf16")}
    logits = [
        VrpSegmenter(networks, [reference(1, 1)]).segment(IMAGES[:1])[0][0].logits_hw
        for networks in made.values()
    ]
    assert np.abs(logits[0] - logits[1]).max() < 0.1 * np.abs(logits[0]).max()
