"""A sample of a collection says which references are of elsewhere, and what to annotate next."""

import numpy as np
from PIL import Image

from pipeline.references.collection import Found, Sampled
from pipeline.references.domain import LEAST_IMAGES, foreign
from pipeline.references.next_reference import MOST_ADVISED, next_references

DRAWN = np.random.default_rng(0)


def looks(count: int, towards: int, spread: float = 0.2) -> np.ndarray:
    around = np.eye(8)[towards] + spread * DRAWN.normal(size=(count, 8))
    return around / np.linalg.norm(around, axis=1, keepdims=True)


def image(name: str, look: np.ndarray, chance: float, side: float = 0.5) -> Sampled:
    return Sampled(name, look, Image.new("RGB", (4, 4)), {1: Found(chance, side)})


def test_a_reference_unlike_every_image_of_the_collection_is_foreign() -> None:
    collection = looks(24, 0)
    assert foreign(looks(5, 3), collection).all()


def test_of_references_from_the_collection_itself_few_are_called_foreign() -> None:
    everything = looks(1024, 0)
    assert foreign(everything[24:], everything[:24]).mean() < 0.1


def test_a_handful_of_images_accuse_no_reference() -> None:
    assert not foreign(looks(5, 3), looks(LEAST_IMAGES - 1, 0)).any()


def test_next_are_the_largest_objects_that_are_likely_there() -> None:
    sides = (0.3, 0.7, 0.5, 0.4)
    shown = [image(f"{n}", look, 0.9, sides[n]) for n, look in enumerate(looks(4, 0))]
    empty = [image(f"empty {n}", look, 0.05, 0.9) for n, look in enumerate(looks(9, 2))]
    advised = next_references([*empty, *shown], looks(2, 0), 1)
    assert [one.image_id for one in advised] == ["1", "2", "3"]
    assert len(advised) == MOST_ADVISED


def test_one_image_in_two_files_is_advised_once() -> None:
    [look] = looks(1, 0)
    twice = [image("first", look, 0.9), image("again", look, 0.9, 0.4)]
    assert [one.image_id for one in next_references(twice, looks(1, 1), 1)] == ["first"]


def test_a_reference_that_lies_in_the_collection_is_not_advised_again() -> None:
    own = looks(1, 0)
    assert next_references([image("own", own[0], 0.9)], own, 1) == ()


def test_without_probabilities_nothing_is_advised() -> None:
    seen = Sampled("a", looks(1, 0)[0], Image.new("RGB", (4, 4)), {})
    assert next_references([seen], looks(1, 0), 1) == ()
