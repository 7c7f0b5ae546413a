"""Pictures become small jobs in which half of what is asked for is not there.

A job has one to three categories, one to four references of each, and images of which half show
one of them: what a head learns to tell apart, and what it is measured on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from model.draws import Draws
from model.segmenter import MANY_REFERENCES, LoadedReference
from pipeline.presence.pictures import Picture

IMAGES_PER_JOB = 6
MOST_CATEGORIES = 3


@dataclass(frozen=True)
class Episode:
    """A small job: what its category ids are called, its references, and its images."""

    names: dict[int, str]
    references: tuple[LoadedReference, ...]
    targets: tuple[Picture, ...]


def draw_episodes(pictures: Sequence[Picture], count: int, seed: int) -> Iterator[Episode]:
    """Draw `count` jobs from the pictures; the same arguments draw the same."""
    showing: dict[str, list[int]] = {}
    for index, picture in enumerate(pictures):
        for name in picture.masks:
            showing.setdefault(name, []).append(index)
    fit = sorted(name for name, indices in showing.items() if len(indices) >= 2)
    for number in range(count):
        draws = Draws(seed, "presence", number)
        wanted = min(1 + draws.below(MOST_CATEGORIES), len(fit))
        names = {k + 1: fit[place] for k, place in enumerate(draws.distinct(wanted, len(fit)))}
        used: dict[int, None] = {}
        references = []
        for category_id, name in names.items():
            known = [index for index in showing[name] if index not in used]
            most = min(MANY_REFERENCES, len(known) - 1)
            for place in draws.distinct(min(1 + draws.below(MANY_REFERENCES), most), len(known)):
                used[known[place]] = None
                references.append(
                    _reference(pictures[known[place]], category_id, name, known[place])
                )
        if len({reference.category_id for reference in references}) == len(names):
            targets = tuple(_targets(pictures, names, used, draws))
            yield Episode(names, tuple(references), targets)


def _reference(picture: Picture, category_id: int, name: str, index: int) -> LoadedReference:
    return LoadedReference(f"{name}-{index}", category_id, picture.image_HW3, picture.masks[name])


def _targets(
    pictures: Sequence[Picture], names: dict[int, str], used: dict[int, None], draws: Draws
) -> Iterator[Picture]:
    free = [picture for index, picture in enumerate(pictures) if index not in used]
    for place in range(IMAGES_PER_JOB):
        name = names[1 + place % len(names)]
        # Half of the images show the category whose turn it is.
        wanted = place // len(names) % 2 == 0
        shown = [p for p in free if (name in p.masks) == wanted and name not in p.unmarked]
        if shown:
            yield shown[draws.below(len(shown))]
