"""A sample of a collection says which references are of elsewhere, and what to annotate next."""

import numpy as np
from PIL import Image

from pipeline.references.collection import Sampled
from pipeline.references.domain import LEAST_IMAGES, foreign
from pipeline.references.next_reference import MOST_ADVISED, next_references

DRAWN = np.random.default_rng(0)


def looks(count: int, towards: int, spread: float = 0.2) -> np.ndarray:
    around = np.eye(8)[towards] + spread * DRAWN.normal(size=(count, 8))
    return around / np.linalg.norm(around, axis=1, keepdims=True)


def image(name: str, look: np.ndarray, chance: float) -> Sampled:
    return Sampled(name, look, Image.new("RGB", (4, 4)), {1: chance})


def test_a_reference_unlike_every_image_of_the_collection_is_foreign() -> None:
    collection = looks(24, 0)
    assert foreign(looks(5, 3), collection).all()


def test_of_references_from_the_collection_itself_few_are_called_foreign() -> None:
    everything = looks(1024, 0)
    assert foreign(everything[24:], everything[:24]).mean() < 0.1


def test_a_handful_of_images_accuse_no_reference() -> None:
    assert not foreign(looks(5, 3), looks(LEAST_IMAGES - 1, 0)).any()


def test_next_is_what_stands_for_the_images_that_no_reference_is_like() -> None:
    known = [image(f"known {n}", look, 0.9) for n, look in enumerate(looks(4, 0, 0.05))]
    new = [image(f"new {n}", look, 0.9) for n, look in enumerate(looks(6, 1, 0.05))]
    empty = [image(f"empty {n}", look, 0.05) for n, look in enumerate(looks(9, 2, 0.05))]
    advised = next_references([*known, *new, *empty], looks(2, 0, 0.05), 1)
    assert advised[0].image_id.startswith("new")
    assert len(advised) == MOST_ADVISED
    assert not any(one.image_id.startswith("empty") for one in advised)


def test_a_reference_that_lies_in_the_collection_is_not_advised_again() -> None:
    own = looks(1, 0)
    assert next_references([image("own", own[0], 0.9)], own, 1) == ()


def test_without_probabilities_nothing_is_advised() -> None:
    seen = Sampled("a", looks(1, 0)[0], Image.new("RGB", (4, 4)), {})
    assert next_references([seen], looks(1, 0), 1) == ()
