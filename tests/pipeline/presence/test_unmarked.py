"""What photos may show without a mask is no example of an absent object."""

import json
from pathlib import Path

import numpy as np
import pytest

from model.presence.head import Examples
from model.segmenter import LoadedReference, Prediction
from pipeline.presence.episodes import Episode, draw_episodes
from pipeline.presence.fit import examples_of, figures_of
from pipeline.presence.pictures import Picture, photo_pictures
from schemas.errors import BadInput
from tests.made.data.datasets import LARGE, filled, jpeg, png, write

MASK = np.eye(8, dtype=bool)
SIGNALS = {"likeness": 0.5}


def folder(root: Path) -> Path:
    for seed, name in enumerate(["cat/one", "cat/two", "dog/three"]):
        write(root / f"{name}.jpg", jpeg(seed))
        write(root / f"{name}.png", png(filled(LARGE) * 255))
    return root


def named(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_a_file_says_what_photos_may_show_besides(tmp_path: Path) -> None:
    unmarked = named(tmp_path / "unmarked.json", {"cat/two": ["dog"], "dog/three": ["dog"]})
    pictures = list(photo_pictures(folder(tmp_path / "photos"), unmarked=unmarked))
    told = sorted((tuple(p.masks), tuple(p.unmarked)) for p in pictures)
    assert told == [(("cat",), ()), (("cat",), ("dog",)), (("dog",), ())]


@pytest.mark.parametrize(
    ("content", "said"),
    [({"cat/tow": ["dog"]}, "cat/tow"), ({"cat/two": "dog"}, "cat/two: .* array")],
)
def test_a_file_that_names_no_photo_or_no_list_is_refused(
    tmp_path: Path, content: object, said: str
) -> None:
    unmarked = named(tmp_path / "unmarked.json", content)
    with pytest.raises(BadInput, match=said):
        list(photo_pictures(folder(tmp_path / "photos"), unmarked=unmarked))


def test_an_episode_asks_for_nothing_absent_that_may_be_there() -> None:
    blank = [np.full((8, 8, 3), k, np.uint8) for k in range(12)]
    pictures = [Picture(image, {"a": MASK}) for image in blank[:4]]
    pictures += [Picture(image, {"b": MASK}, frozenset("a")) for image in blank[4:8]]
    pictures += [Picture(image, {"b": MASK}) for image in blank[8:]]
    for episode in draw_episodes(pictures, 20, seed=1):
        asked = len(episode.names)
        for place, target in enumerate(episode.targets):
            assert episode.names[1 + place % asked] not in target.unmarked


class Everywhere:
    """Finds every category in every image."""

    def __init__(self, references: list[LoadedReference]) -> None:
        self._ids = sorted({reference.category_id for reference in references})

    def segment(self, images: list[np.ndarray], _: object = None) -> list[tuple[Prediction, ...]]:
        found = (
            Prediction(number, np.ones((8, 8), np.float32), 0.5, "squash", 0.5, signals=SIGNALS)
            for number in self._ids
        )
        return [tuple(found) for _ in images]


def test_what_may_be_there_is_no_example() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    references = tuple(LoadedReference(n, k, image, MASK) for k, n in enumerate("ab", 1))
    targets = (Picture(image, {"a": MASK}, frozenset("b")),)
    episode = Episode({1: "a", 2: "b"}, references, targets)
    examples, _ = examples_of(Everywhere, [episode])  # pyright: ignore[reportArgumentType]
    assert examples.present_E.tolist() == [True]


def test_probabilities_are_measured_at_the_share_of_what_is_there() -> None:
    # A signal that says nothing: a quarter is there, so that a quarter is right to say.
    present_E = np.arange(400) % 4 == 0
    nothing = Examples(("presence",), np.zeros((400, 1)), present_E, np.arange(400))
    figures = figures_of(np.zeros(400), nothing, present_E.astype(float))
    assert figures["calibration_error"] == pytest.approx(0.0, abs=1e-6)
