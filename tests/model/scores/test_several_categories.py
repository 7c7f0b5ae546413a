"""What is kept of several categories' masks, and which images are all right."""

import numpy as np

from model.scores.episode_score import TargetTruth
from model.scores.metrics import Overlap
from model.scores.presence import says_there
from model.scores.several_categories import all_right, kept_overlaps
from model.segmenter import Prediction


def found(columns: slice) -> Prediction:
    logits_hw = np.full((4, 4), -8.0, np.float32)
    logits_hw[:, columns] = 8.0
    return Prediction(1, logits_hw, score=0.5, frame="squash")


def truth(columns: slice) -> TargetTruth:
    mask_HW = np.zeros((4, 4), bool)
    mask_HW[:, columns] = True
    return TargetTruth(mask_HW, np.zeros((4, 4), bool))


def test_a_pixel_of_two_masks_is_the_likelier_ones_alone() -> None:
    predictions = [found(slice(0, 3)), found(slice(2, 4))]
    truths = [truth(slice(0, 2)), truth(slice(2, 4))]
    first, second = kept_overlaps(predictions, truths, [True, True], [0.6, 0.9], 0.0)
    assert (first.intersection_px, first.union_px) == (8, 8)
    assert (second.intersection_px, second.union_px) == (8, 8)
    first, second = kept_overlaps(predictions, truths, [True, True], [0.9, 0.6], 0.0)
    assert (first.intersection_px, first.union_px) == (8, 12)
    assert (second.intersection_px, second.union_px) == (4, 8)


def test_of_what_is_said_not_to_be_there_nothing_is_kept() -> None:
    predictions = [found(slice(0, 3)), found(slice(2, 4))]
    nothing = truth(slice(0, 0))
    first, second = kept_overlaps(
        predictions, [nothing, truth(slice(2, 4))], [False, True], [0.9, 0.6], 0.0
    )
    assert first == Overlap(0, 0, 16, 16)
    assert (second.intersection_px, second.union_px) == (8, 8)


def test_an_image_is_right_when_every_decision_of_it_is() -> None:
    right = np.array([True, True, True, False, False, True])
    assert all_right(right, np.array([7, 7, 3, 3, 5, 5])).tolist() == [True, True, *[False] * 4]


def test_an_object_is_said_to_be_there_by_its_probability_or_else_by_its_mask() -> None:
    assert says_there(0.5, 0)
    assert not says_there(0.49, 900)
    assert says_there(None, 1)
    assert not says_there(None, 0)
