"""Several objects of a kind are found one after the other, until none is likely enough."""

import numpy as np
import pytest
import torch
from torch import Tensor

from model.build import build_segmenter
from model.masks.upsample import mask_at
from model.methods.location import Located, Target, extremes
from model.methods.prompted_sam import PromptedNetworks, PromptedSam
from model.methods.search import search_objects
from model.segmenter import LoadedReference, Prediction, StudyOptions
from schemas.job.method import Matcher, Persam, PersamF
from schemas.job.networks import Sam
from tests.made.networks.narrow_sam import narrow_sam
from tests.made.pixels.waves import picture

SIDE = 256  # of the image and of the narrow SAM's logits: one is the other
SIZE = (SIDE, SIDE)
TARGET = Target(7, torch.zeros(1, 4), torch.zeros(4))
CATS = {(20, 20): 0.9, (100, 120): 0.7, (200, 200): 0.5}  # top and left of 30 x 30, confidence


@pytest.fixture(scope="module")
def networks() -> PromptedNetworks:
    return PromptedNetworks(narrow_sam(), None)


def _map() -> Tensor:
    confidence_HW = torch.full(SIZE, 0.1)
    for (top, left), confidence in CATS.items():
        confidence_HW[top : top + 30, left : left + 30] = confidence
    return confidence_HW


class OneCat:
    """Answers a point with the square that holds it, as SAM would with the object there."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.maps: list[Tensor] = []

    def __call__(self, pair: Located, confidence_HW: Tensor) -> tuple[Tensor, float] | None:
        self.asked.append(pair.positive_xy)
        self.maps.append(confidence_HW)
        column, row = pair.positive_xy
        for (top, left), confidence in CATS.items():
            if 0 <= row - top < 30 and 0 <= column - left < 30:
                logits_hw = torch.full(SIZE, -5.0)
                logits_hw[top : top + 30, left : left + 30] = 5.0
                return logits_hw, confidence - 0.1
        return None


def _search(networks: PromptedNetworks, ask, threshold: float, most: int = 10) -> Prediction:
    sam = PromptedSam(networks.sam, "letterbox")
    located = [(extremes(0, 0, _map()), _map())]
    ((prediction,),) = search_objects(located, ask, sam, [TARGET], threshold, most)
    return prediction


def test_objects_are_found_from_the_likeliest_on_until_the_threshold(networks) -> None:
    ask = OneCat()
    found = _search(networks, ask, threshold=0.6)
    assert [one.presence for one in found.objects] == pytest.approx([0.9, 0.7])
    assert [one.score for one in found.objects] == pytest.approx([0.8, 0.6])
    assert len(ask.asked) == 2
    # The second was asked with the first one's pixels at zero, as the paper's S2.
    assert (ask.maps[1][20:50, 20:50] == 0).all()
    assert ask.maps[1][0, 0] == pytest.approx(0.1)


def test_the_category_s_mask_is_that_of_all_its_objects(networks) -> None:
    found = _search(networks, OneCat(), threshold=0.45)
    mask_HW = mask_at(found, SIZE, 0.0)
    assert mask_HW.sum() == pytest.approx(3 * 900, abs=12)
    assert (mask_HW >= mask_at(found.objects[1], SIZE, 0.0)).all()
    assert (found.category_id, found.presence) == (7, pytest.approx(0.9))


def test_the_search_ends_at_the_most_objects_there_may_be(networks) -> None:
    assert len(_search(networks, OneCat(), threshold=0.0, most=2).objects) == 2


def test_an_image_without_a_likely_object_gets_no_mask_and_asks_nothing(networks) -> None:
    ask = OneCat()
    found = _search(networks, ask, threshold=0.95)
    assert (found.objects, found.score, ask.asked) == ((), 0.0, [])
    assert not mask_at(found, SIZE, 0.0).any()
    assert found.presence == pytest.approx(0.9)


def test_an_answer_that_was_given_before_ends_the_search(networks) -> None:
    """A mask that misses its own point leaves the map's maximum where it was."""
    logits_hw = torch.full(SIZE, -5.0)
    logits_hw[150:180, 150:180] = 5.0
    calls = []

    def ask(pair: Located, _: Tensor) -> tuple[Tensor, float]:
        calls.append(pair.positive_xy)
        return logits_hw, 0.5

    assert len(_search(networks, ask, threshold=0.2).objects) == 1
    assert len(calls) == 2


@pytest.mark.parametrize("name", ["persam", "persam_f", "matcher"])
def test_the_first_object_is_the_one_that_the_method_finds_alone(name: str) -> None:
    nano = Sam(type="nano", weights="random:2")
    method = Persam(type="persam", sam=nano, min_presence=0.0)
    if name == "persam_f":
        method = PersamF(type="persam_f", sam=nano, min_presence=0.0, epochs=1)
    if name == "matcher":
        method = Matcher(type="matcher", sam=nano, min_presence=0.01, proposals=5)
    shown_HW = np.zeros((60, 80), bool)
    shown_HW[10:40, 15:60] = True
    references = [LoadedReference("r", 1, picture(0, 60, 80), shown_HW)]
    images = [references[0].image_HW3]  # in which every method finds something

    def segment(most: int) -> list[tuple[Prediction, ...]]:
        made = build_segmenter(method, references, "cpu", "fp32", StudyOptions(most_objects=most))
        return made.segment(images)

    for (alone,), (several,) in zip(segment(1), segment(2), strict=True):
        assert 1 <= len(several.objects) <= 2
        assert several.presence == alone.presence
        assert np.array_equal(several.objects[0].logits_hw, alone.logits_hw)
        assert several.objects[0].score == alone.score
        assert alone.objects == ()
