"""A job's references and negatives become how it tells present from absent."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.presence.decide import Wanted
from model.presence.signals import OF_FEATURES
from model.segmenter import LoadedReference, Prediction
from pipeline.presence.choose import choose, kept_choice, lies_on
from pipeline.presence.episodes import draw_episodes
from pipeline.presence.heads import PresenceTask, check_negatives
from pipeline.presence.pictures import Picture
from pipeline.storage.place import Place
from schemas.errors import BadInput
from schemas.job.storage import Storage
from tests.made.networks.presence import HEAD
from tests.made.outputs.predictions import predicted

WANTED = Wanted(precision=0.9, recall=None, share=0.5)
LEFT = np.zeros((20, 20), dtype=bool)
LEFT[4:16, 2:9] = True


class Colours:
    """Finds category 1 in red images and 2 in green ones, always in the left half."""

    def __init__(self, references: Sequence[LoadedReference]) -> None:
        self._ids = sorted({reference.category_id for reference in references})

    def segment(
        self, images: Sequence[np.ndarray], embeddings: object = None
    ) -> list[tuple[Prediction, ...]]:
        none = dict.fromkeys(OF_FEATURES, 0.0)
        return [
            tuple(
                replace(
                    predicted(number, LEFT), presence=float(image[0, 0, number - 1]), signals=none
                )
                for number in self._ids
            )
            for image in images
        ]


def shown(category_id: int, name: str) -> LoadedReference:
    image = np.zeros((20, 20, 3), np.uint8)
    image[..., category_id - 1] = 3
    image[-1, -1, 2] = ord(name)
    return LoadedReference(name, category_id, image, LEFT)


REFERENCES = (shown(1, "a"), shown(1, "b"), shown(2, "c"), shown(2, "d"))


def task(*negatives: np.ndarray) -> PresenceTask:
    return PresenceTask(HEAD, negatives, (), WANTED)


def test_references_are_found_by_the_others_and_are_no_other_category() -> None:
    choice = choose(Colours, REFERENCES, task())
    assert (choice.shown, choice.absent) == (4, 4)
    assert 0 < choice.absent_below <= choice.labelled_from < 1


def test_a_photo_is_never_searched_by_what_is_annotated_in_it() -> None:
    studied: list[list[str]] = []

    def study(references: Sequence[LoadedReference]) -> Colours:
        studied.append([reference.id for reference in references])
        return Colours(references)

    again = replace(REFERENCES[0], id="e", image_HW3=REFERENCES[0].image_HW3.copy())
    choice = choose(study, (*REFERENCES, again), task())
    assert studied == [
        ["b", "c", "d"],
        ["a", "c", "d", "e"],
        ["a", "b", "d", "e"],
        ["a", "b", "c", "e"],
    ]
    assert (choice.shown, choice.absent) == (4, 4)


def test_a_category_of_one_photo_stays_in_the_job_that_is_calibrated() -> None:
    choice = choose(Colours, REFERENCES[:3], task())
    assert (choice.shown, choice.absent) == (2, 2)


def test_a_negative_counts_once_for_each_category() -> None:
    grey = np.full((20, 20, 3), 1, np.uint8)
    choice = choose(Colours, REFERENCES, task(grey, grey + 1))
    assert choice.absent == 4 + 2 * 2


def test_one_reference_alone_leaves_the_head_as_it_is() -> None:
    choice = choose(Colours, REFERENCES[:1], task())
    assert (choice.scale, choice.shift, choice.shown, choice.absent) == (1.0, 0.0, 0, 0)


def test_a_mask_beside_the_reference_may_be_of_another_object_that_nobody_named() -> None:
    assert lies_on(predicted(2, LEFT), REFERENCES[0])
    assert not lies_on(predicted(2, ~LEFT), REFERENCES[0])


def test_what_the_first_actor_chose_holds_for_all(tmp_path: Path) -> None:
    output = Place.open(str(tmp_path), Storage())
    first = kept_choice(output, Colours, REFERENCES, task())
    assert kept_choice(output, Colours, REFERENCES[:1], task()) == first


def test_episodes_show_what_is_asked_for_in_half_of_their_images() -> None:
    pictures = [
        Picture(np.full((8, 8, 3), k, np.uint8), {"ab"[k % 2]: np.eye(8, dtype=bool)})
        for k in range(12)
    ]
    drawn = list(draw_episodes(pictures, 20, seed=1))
    assert [e.names for e in drawn] == [e.names for e in draw_episodes(pictures, 20, seed=1)]
    told = [name in t.masks for e in drawn for t in e.targets for name in e.names.values()]
    assert np.mean(told) == pytest.approx(0.5, abs=0.1)
    for episode in drawn:
        ids = {id(reference.image_HW3) for reference in episode.references}
        assert not ids & {id(target.image_HW3) for target in episode.targets}


def test_a_reference_is_no_negative() -> None:
    check_negatives(task(REFERENCES[0].image_HW3 + 1), REFERENCES, ["empty.jpg"])
    with pytest.raises(BadInput, match=r"empty\.jpg(.|\n)*reference b"):
        check_negatives(task(REFERENCES[1].image_HW3.copy()), REFERENCES, ["empty.jpg"])
