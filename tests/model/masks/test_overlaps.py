"""A pixel that several categories claim goes to the greatest sureness x sigmoid of its logit."""

import numpy as np
import pytest

from model.masks.overlaps import owners
from model.masks.upsample import logits_at, mask_at
from model.segmenter import Frame, Prediction

SIZE = (6, 8)


def _flat(category_id: int, score: float, logits: np.ndarray) -> Prediction:
    return Prediction(category_id, logits.astype(np.float32), score, "squash")


def _columns(*values: float) -> np.ndarray:
    return np.broadcast_to(np.array(values), SIZE)


def test_the_greatest_product_of_score_and_pixel_wins() -> None:
    # sigmoid(0.5) = 0.622, sigmoid(2) = 0.881: 0.9 * 0.622 = 0.560 against 0.6 * 0.881 = 0.529,
    # and with logits of 1 (0.731) and 4 (0.982): 0.658 against 0.589; 0.5 and 4: 0.560 and 0.589.
    first = _flat(1, 0.9, _columns(0.5, 1, 0.5, -3, 2, -3, 0.5, -9))
    second = _flat(2, 0.6, _columns(2, 4, 4, 2, -3, -3, -0.1, -9))
    found = owners([first, second], SIZE, 0.0, [0.9, 0.6])
    assert found.tolist() == [[0, 0, 1, 1, 0, -1, 0, -1]] * 6


def test_of_equal_claims_the_first_wins_and_a_score_of_zero_still_has_its_own_pixels() -> None:
    logits = _columns(1, 1, 1, 1, -1, -1, -1, -1)
    other = _columns(-1, -1, 1, 1, 1, 1, -1, -1)
    equal = owners([_flat(1, 0.5, logits), _flat(2, 0.5, other)], SIZE, 0.0, [0.5, 0.5])
    assert equal[0].tolist() == [0, 0, 0, 0, 1, 1, -1, -1]
    nothing = owners([_flat(1, 0.0, logits), _flat(2, 0.5, other)], SIZE, 0.0, [0.0, 0.5])
    assert nothing[0].tolist() == [0, 0, 1, 1, 1, 1, -1, -1]


def test_no_pixel_is_owned_that_no_mask_has() -> None:
    rng = np.random.default_rng(0)
    predictions = [
        Prediction(n, rng.normal(0, 3, (5, 7)).astype(np.float32), 0.2 * n, "squash")
        for n in range(1, 4)
    ]
    masks = [mask_at(prediction, (37, 23), 0.5) for prediction in predictions]
    owner_HW = owners(predictions, (37, 23), 0.5, [0.2, 0.4, 0.6])
    assert np.array_equal(owner_HW >= 0, np.logical_or.reduce(masks))
    assert all((owner_HW == place)[~mask].sum() == 0 for place, mask in enumerate(masks))


@pytest.mark.parametrize("frame", ["squash", "letterbox"])
@pytest.mark.parametrize("size_HW", [(37, 23), (9, 50), (3, 2)])
def test_logits_at_a_box_are_what_the_mask_was_cut_from(
    frame: Frame, size_HW: tuple[int, int]
) -> None:
    logits = np.random.default_rng(1).normal(0, 2, (8, 8)).astype(np.float32)
    prediction = Prediction(1, logits, 0.9, frame)
    box = slice(1, size_HW[0]), slice(0, size_HW[1] - 1)
    for threshold in (0.0, 1.5):
        wanted = mask_at(prediction, size_HW, threshold)[box]
        assert np.array_equal(logits_at(prediction, size_HW, box) > threshold, wanted)
