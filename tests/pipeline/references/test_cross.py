"""References are looked for in photos of others, and all that a photo shows of them counts."""

from collections.abc import Sequence

import numpy as np

from model.segmenter import LoadedReference, Prediction
from pipeline.references.cross import cross, leave_one_out
from tests.made.outputs.predictions import predicted

SIDE = 16


def half(left: bool) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[4:12, slice(0, 8) if left else slice(8, SIDE)] = True
    return mask


def shown(name: str, photo: int, annotation: np.ndarray) -> LoadedReference:
    return LoadedReference(name, 1, np.full((SIDE, SIDE, 3), photo, np.uint8), annotation)


class FindsBoth:
    """Finds both halves in every photo, whatever it is shown."""

    def __init__(self, references: Sequence[LoadedReference]) -> None:
        self.shown = [reference.id for reference in references]
        self._ids = sorted({reference.category_id for reference in references})

    def segment(
        self, images: Sequence[np.ndarray], embeddings: object = None
    ) -> list[tuple[Prediction, ...]]:
        found = [
            predicted(number, half(True) | half(False), signals={"likeness": 0.5})
            for number in self._ids
        ]
        return [tuple(found) for _ in images]


TWO_IN_ONE = (shown("a", 1, half(True)), shown("b", 1, half(False)))
ANOTHER = shown("c", 2, half(True))


def test_a_photo_is_left_out_whole_and_all_that_is_annotated_there_is_looked_for() -> None:
    studied: list[list[str]] = []

    def study(references: Sequence[LoadedReference]) -> FindsBoth:
        segmenter = FindsBoth(references)
        studied.append(segmenter.shown)
        return segmenter

    found = leave_one_out(study, (*TWO_IN_ONE, ANOTHER))
    assert studied == [["c"], ["a", "b"]]
    assert found == {"a": 1.0, "b": 1.0, "c": 0.5}
    assert leave_one_out(FindsBoth, TWO_IN_ONE) == {}


def test_of_two_references_in_one_photo_nothing_is_known() -> None:
    crossed = cross(FindsBoth, (*TWO_IN_ONE, ANOTHER))
    nan = np.nan
    np.testing.assert_array_equal(crossed.iou_RR, [[nan, nan, 0.5], [nan, nan, 0.5], [1, 1, nan]])
    assert (np.isnan(crossed.likeness_RR) == np.isnan(crossed.iou_RR)).all()
