"""What references find of each other says which of them to drop."""

from collections.abc import Sequence

import numpy as np
import pytest

from model.segmenter import LoadedReference
from pipeline.references.cross import Crossed
from pipeline.references.faults import Fault, find_faults
from schemas.job.reference import Points
from tests.made.pixels.waves import picture

SIDE = 64
NAMES = {1: "cat", 2: "dog"}


def square(left: int, top: int, side: int) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[top : top + side, left : left + side] = True
    return mask


def shown(name: str, seed: int, category_id: int = 1, **changes: object) -> LoadedReference:
    drawn = changes.get("annotation", square(10 + seed, 20, 24))
    image = changes.get("image", picture(seed, SIDE, SIDE))
    return LoadedReference(name, category_id, image, drawn)  # pyright: ignore[reportArgumentType] - typed by the names


def crossed(
    references: Sequence[LoadedReference], iou: np.ndarray, likeness: np.ndarray | None = None
) -> Crossed:
    alike = np.full(iou.shape, 0.8) if likeness is None else likeness
    return Crossed(tuple(references), iou, alike)


def kinds(faults: Sequence[Fault]) -> list[tuple[str, str]]:
    return [(fault.reference, fault.kind) for fault in faults]


FOUR = [shown(name, seed) for seed, name in enumerate("abcd")]


def test_of_four_references_the_one_that_none_agrees_with_is_to_drop() -> None:
    iou = np.full((4, 4), 0.7)
    iou[2, :] = iou[:, 2] = 0.1
    (fault,) = find_faults(crossed(FOUR, iou), NAMES)
    assert (fault.reference, fault.kind, fault.drop) == ("c", "contradicts", True)
    assert "IoU 0.10 with what the other 3 show, who have 0.70" in fault.said


def test_a_wrong_mask_that_finds_the_right_object_still_finds_it_less_alike() -> None:
    iou, likeness = np.full((4, 4), 0.7), np.full((4, 4), 0.8)
    iou[:, 1] = 0.0
    assert find_faults(crossed(FOUR, iou, likeness), NAMES) == []
    likeness[1, :] = 0.5
    assert kinds(find_faults(crossed(FOUR, iou, likeness), NAMES)) == [("b", "contradicts")]


def test_two_bad_references_do_not_hide_each_other() -> None:
    references = [shown(name, seed) for seed, name in enumerate("abcdef")]
    iou = np.full((6, 6), 0.8)
    for bad in (0, 4):
        iou[bad, :] = iou[:, bad] = 0.05
    assert kinds(find_faults(crossed(references, iou), NAMES)) == [
        ("a", "contradicts"),
        ("e", "contradicts"),
    ]


def test_references_that_find_nothing_of_each_other_accuse_no_one() -> None:
    assert find_faults(crossed(FOUR, np.full((4, 4), 0.1)), NAMES) == []


def test_points_have_no_iou_and_are_judged_by_what_they_find() -> None:
    points = Points(type="points", points=((20.0, 30.0),))
    references = [*FOUR[:3], shown("p", 3, annotation=points)]
    iou = np.full((4, 4), 0.7)
    iou[:, 3] = np.nan
    assert find_faults(crossed(references, iou), NAMES) == []
    iou[3, :3] = 0.02
    assert kinds(find_faults(crossed(references, iou), NAMES)) == [("p", "contradicts")]


@pytest.mark.parametrize(
    ("mask", "wanted"),
    [
        (square(0, 20, 24), [("x", "cut_off")]),
        (square(0, 20, 1) | square(30, 30, 0), [("x", "cut_off")]),
        (square(20, 20, 24), []),
    ],
)
def test_an_object_that_goes_on_beyond_its_image_is_cut_off(
    mask: np.ndarray, wanted: list[tuple[str, str]]
) -> None:
    references = [shown("x", 9, annotation=mask), shown("y", 5)]
    assert kinds(find_faults(crossed(references, np.full((2, 2), 0.7)), NAMES)) == wanted


def test_an_object_smaller_than_a_cell_vanishes() -> None:
    image = np.zeros((640, 640, 3), np.uint8)
    mask = np.zeros((640, 640), dtype=bool)
    mask[300:305, 300:305] = True
    references = [shown("x", 9, image=image, annotation=mask), shown("y", 5)]
    faults = find_faults(crossed(references, np.full((2, 2), 0.7)), NAMES)
    assert kinds(faults) == [("x", "vanishes")]


def test_a_second_frame_of_the_same_view_is_to_drop() -> None:
    first = shown("first", 3)
    noise = np.random.default_rng(0).integers(-4, 5, first.image_HW3.shape)
    image = np.clip(first.image_HW3.astype(int) + noise, 0, 255).astype(np.uint8)
    references = [first, shown("other", 7), shown("again", 3, image=image)]
    (fault,) = find_faults(crossed(references, np.full((3, 3), 0.7)), NAMES)
    assert (fault.reference, fault.kind, fault.others) == ("again", "near_duplicate", ("first",))


def test_an_object_that_another_category_finds_more_alike_is_ambiguous() -> None:
    references = [shown("a", 1), shown("b", 2), shown("c", 3, 2), shown("d", 4, 2)]
    iou, likeness = np.full((4, 4), 0.7), np.full((4, 4), 0.5)
    iou[:2, 2:] = iou[2:, :2] = 0.1
    iou[2:, 0], likeness[2:, 0] = 0.8, 0.9
    (fault,) = find_faults(crossed(references, iou, likeness), NAMES)
    assert (fault.reference, fault.kind, fault.drop) == ("a", "ambiguous", False)
    assert "references of dog" in fault.said


def test_two_references_of_one_photo_do_not_contradict_each_other() -> None:
    """They find themselves there, so that nothing is known of the two; as of lone photos."""
    image = picture(0, SIDE, SIDE)
    two = [shown("a", 0, image=image), shown("b", 0, image=image, annotation=square(40, 40, 20))]
    iou, likeness = np.full((3, 3), 0.7), np.full((3, 3), 0.8)
    iou[:2, :2] = likeness[:2, :2] = np.nan
    assert find_faults(crossed([*two, shown("c", 3)], iou, likeness), NAMES) == []
    unknown = np.full((2, 2), np.nan)
    assert find_faults(crossed(two, unknown, unknown), NAMES) == []
