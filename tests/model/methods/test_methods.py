"""The methods that search for the reference's object: what their masks may depend on, and when
there is none."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from model.build import build_segmenter
from model.checkpoints.load import Loader
from model.masks.upsample import mask_at
from model.methods.gp_sam import GpSamSegmenter
from model.methods.kinds import content_of
from model.methods.mask_weights import Recipe, Scales, train_mask_weights
from model.methods.persam_f import PersamFSegmenter
from model.methods.prompted_sam import load_prompted
from model.networks.lite.trunk import package_file
from model.presence.signals import signals_of
from model.segmenter import LoadedReference, Prediction, StudyOptions
from schemas.job.method import GpSam, Method, presence_threshold
from schemas.job.networks import Backbone, Sam
from schemas.job.reference import Box, Points, Scribbles
from tests.made.networks.methods import IMAGES, METHODS, NANO, OTHER, method, reference

EVERY = pytest.mark.parametrize("name", METHODS)
EACH = pytest.mark.parametrize("name", ["gp_sam both", "persam", "persam_f", "matcher"])


def segment(
    chosen: Method,
    references: Sequence[LoadedReference],
    images: Sequence[np.ndarray] = IMAGES,
    cache: Path | None = None,
) -> list[tuple[Prediction, ...]]:
    return build_segmenter(chosen, references, "cpu", "fp32", StudyOptions(cache)).segment(images)


def same(first: Sequence[Prediction], second: Sequence[Prediction]) -> None:
    assert [p.category_id for p in first] == [p.category_id for p in second]
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.logits_hw, other.logits_hw)
        assert (one.score, one.presence, one.frame) == (other.score, other.presence, other.frame)


@EVERY
def test_masks_depend_on_neither_the_run_nor_the_batch_nor_the_order_of_references(
    name: str,
) -> None:
    references = [reference(7, 1), reference(2, 2)]
    together = segment(method(name), references)
    torch.manual_seed(99)
    alone = segment(method(name), references[::-1], IMAGES[1:])
    assert [p.category_id for p in together[0]] == [2, 7]
    same(together[1], alone[0])
    for image, predictions in zip(IMAGES, together, strict=True):
        for prediction in predictions:
            assert prediction.logits_hw.dtype == np.float32
            assert prediction.logits_hw.shape == (64, 64)
            assert mask_at(prediction, image.shape[:2], 0.0).shape == image.shape[:2]


@EACH
def test_every_annotation_format_finds_something(name: str) -> None:
    references = [
        reference(1, 3, Box(type="box", xyxy=(10, 20, 50, 50))),
        reference(2, 3, Points(type="points", points=((5, 5), (60, 40)))),
        reference(3, 3, Scribbles(type="scribbles", strokes=(((10, 10), (50, 40)),))),
    ]
    predictions = segment(method(name), references, IMAGES[:1])[0]
    assert len(predictions) == 3
    for prediction in predictions:
        assert np.isfinite(prediction.logits_hw).all()
        assert prediction.presence is not None


@EACH
def test_a_second_reference_joins_the_first(name: str) -> None:
    one = segment(method(name), [reference(1, 1)], IMAGES[:1])[0][0]
    two = segment(method(name), [reference(1, 1), reference(1, 6)], IMAGES[:1])[0][0]
    assert one.presence is not None
    assert two.presence is not None
    if not name.startswith("matcher"):  # its presence is a share of both references' cells
        assert two.presence >= one.presence - 1e-6


@EVERY
def test_what_is_less_present_than_asked_gets_no_mask(name: str) -> None:
    references = [reference(1, 1), reference(2, 2)]
    usual = segment(method(name), references)
    presences = sorted(p.presence or 0.0 for predictions in usual for p in predictions)
    between = min(1.0, (presences[0] + presences[-1]) / 2 + 1e-9)
    strict = segment(method(name, min_presence=between), references)
    for before, after in zip(usual, strict, strict=True):
        for one, other in zip(before, after, strict=True):
            assert other.presence == one.presence
            assert one.presence is not None
            if one.presence < between:
                assert not (other.logits_hw > -1000).any()
                assert other.score == 0
                assert not mask_at(other, (48, 64), -20.0).any()
            else:
                np.testing.assert_allclose(other.logits_hw, one.logits_hw, atol=1e-4)
    assert any(not (p.logits_hw > -1000).any() for predictions in strict for p in predictions)


@EVERY
def test_images_of_one_colour_or_one_pixel_are_answered(name: str) -> None:
    images = [np.zeros((40, 50, 3), np.uint8), np.full((1, 1, 3), 200, np.uint8)]
    found = segment(method(name), [reference(1, 1)], images)
    for image, (prediction,) in zip(images, found, strict=True):
        assert not np.isnan(prediction.score)
        assert mask_at(prediction, image.shape[:2], 0.0).shape == image.shape[:2]


@EACH
def test_bf16_runs_and_stays_finite(name: str) -> None:
    segmenter = build_segmenter(method(name), [reference(1, 1)], "cpu", "bf16")
    prediction = segmenter.segment(IMAGES[:1])[0][0]
    assert np.isfinite(prediction.logits_hw).all()


def test_dinov2_abstains_below_the_papers_threshold_and_others_never() -> None:
    def threshold(backbone: object, **changes: object) -> float | None:
        chosen = method("persam", backbone=backbone, **changes)
        assert chosen.type == "persam"
        return presence_threshold(chosen)

    dinov2 = {"type": "dinov2_vitb14", "weights": "random"}
    assert threshold(dinov2) == 0.45
    assert threshold(dinov2, min_presence=0.6) == 0.6
    assert threshold(OTHER) is None
    assert threshold(None) is None


def test_points_are_other_ones_for_another_seed() -> None:
    masks = [
        segment(method("gp_sam point", seed=seed), [reference(1, 1)], IMAGES[:1])[0][0].logits_hw
        for seed in (0, 1)
    ]
    assert (masks[0] != masks[1]).any()


def test_persam_f_learns_once_for_the_same_references(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    references = [reference(1, 1), reference(1, 2), reference(4, 3)]
    first = segment(method("persam_f"), references, IMAGES[:1], tmp_path)
    assert len(list((tmp_path / "mask-weights").glob("*.json"))) == 2

    def refuse(*_: object) -> None:
        raise AssertionError("trained a second time")

    monkeypatch.setattr("model.methods.mask_weights.train_mask_weights", refuse)
    same(first[0], segment(method("persam_f"), references, IMAGES[:1], tmp_path)[0])
    with pytest.raises(AssertionError, match="a second time"):
        segment(method("persam_f", epochs=4), references, IMAGES[:1], tmp_path)


def test_persam_f_learns_scales_from_masks_and_boxes_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A few pixels as the whole object would teach the smallest scale."""
    trained: list[int] = []

    def count(scales: Sequence[Scales], recipe: Recipe) -> Tensor:
        trained.append(len(scales))
        return train_mask_weights(scales, recipe)

    monkeypatch.setattr("model.methods.mask_weights.train_mask_weights", count)
    points = Points(type="points", points=((5, 5), (60, 40)))
    strokes = Scribbles(type="scribbles", strokes=(((10, 10), (50, 40)),))
    box = Box(type="box", xyxy=(10, 20, 50, 50))
    references = [
        reference(1, 1, points), reference(1, 2, strokes),
        reference(2, 1, points), reference(2, 2, box), reference(2, 3),
        replace(reference(2, 4), of_strokes=True),  # as an evaluation simulates them
    ]  # fmt: skip
    found = build_segmenter(method("persam_f"), references, "cpu", "fp32")
    assert isinstance(found, PersamFSegmenter)
    assert trained == [2]
    torch.testing.assert_close(found.mask_weights_K3[0], torch.full((3,), 1 / 3))
    assert (found.mask_weights_K3[1] != 1 / 3).any()
    assert np.isfinite(found.segment(IMAGES[:1])[0][0].logits_hw).all()


@EACH
def test_signals_of_presence_come_when_asked_for_and_change_no_mask(name: str) -> None:
    references = [reference(7, 1), reference(2, 2), reference(2, 3)]
    plain = segment(method(name), references, IMAGES[:1])
    options = StudyOptions(evidence=True)
    asked = build_segmenter(method(name), references, "cpu", "fp32", options).segment(IMAGES[:1])
    for before, after in zip(plain, asked, strict=True):
        same(before, after)
        assert all(one.signals is None for one in before)
        assert all(np.isfinite(list(signals_of(one).values())).all() for one in after)
        # Of two categories one's lead is the other's lag.
        first, second = (dict(one.signals or {}) for one in after)
        assert first["kind_peak_rivalry"] == pytest.approx(-second["kind_peak_rivalry"])
        assert all(-1 <= one["kind"] <= one["kind_peak"] + 1 for one in (first, second))


@pytest.mark.parametrize("name", ["gp_sam both", "persam"])
def test_signals_of_kind_are_of_an_image_alone(name: str) -> None:
    options = StudyOptions(evidence=True)
    references = [reference(7, 1), reference(2, 2)]
    segmenter = build_segmenter(method(name), references, "cpu", "fp32", options)
    together = segmenter.segment(IMAGES)
    for image, found in zip(IMAGES, together, strict=True):
        (alone,) = segmenter.segment([image])
        for one, other in zip(found, alone, strict=True):
            assert dict(one.signals or {}) == dict(other.signals or {})


def test_a_trunk_that_compares_images_already_sees_them_no_second_time_for_kinds() -> None:
    spec = Backbone(type="efficientnet_lite2", weights=package_file())
    networks = load_prompted(Sam.model_validate(NANO), spec, Loader("cpu", "fp32"))
    chosen = method("gp_sam both")
    assert isinstance(chosen, GpSam)
    options = StudyOptions(evidence=True)
    segmenter = GpSamSegmenter(networks, [reference(1, 1)], chosen, options)
    seen: list[object] = []
    assert networks.backbone is not None
    networks.backbone.register_forward_hook(lambda *given: seen.append(given))
    for found in segmenter.segment(IMAGES):
        assert all("kind" in (one.signals or {}) for one in found)
    assert len(seen) == len(IMAGES)


def test_what_is_padded_around_an_image_is_of_no_kind() -> None:
    logits_hw = np.full((64, 64), 20.0, np.float32)
    logits_hw[:48] = -20
    logits_hw[10:30, 8:40] = 20
    padded = Prediction(1, logits_hw, 0.5, "letterbox")
    assert content_of(padded, (48, 64)).equal(torch.from_numpy(logits_hw[:48]))
    assert content_of(padded, (480, 640)).shape == (48, 64)
    stretched = Prediction(1, logits_hw, 0.5, "squash")
    assert content_of(stretched, (48, 64)).shape == (64, 64)


def test_a_lone_category_has_no_rival() -> None:
    options = StudyOptions(evidence=True)
    built = build_segmenter(method("gp_sam both"), [reference(1, 1)], "cpu", "fp32", options)
    ((found,),) = built.segment(IMAGES[:1])
    assert found.signals is not None
    assert found.signals["rivalry"] == 0
