"""Turn a number into an episode of several categories, of which the target shows some or none.

The setting of few-shot classification and segmentation (FS-CS): Kang and Cho, "Integrative Few-Shot
Learning for Classification and Segmentation", CVPR 2022, section 5, drawn as their public code
draws it: a target of some category, then N categories without replacement, the target's own with
the weight of all others together, and K references of each that are not the target.
"""

from collections.abc import Sequence

import numpy as np

from model.draws import Draws
from pipeline.datasets.index import DatasetIndex
from pipeline.episodes.draw import (
    CategoryPool,
    Episode,
    EpisodePool,
    EpisodeReference,
    category_at,
)
from schemas.errors import BadInput


def check_partly(pool: EpisodePool, ways: int) -> None:
    """Raise BadInput for a pool of which no such episode can be drawn."""
    where = pool.index.commit.dataset.model_dump_json()
    if any(category.sequence for category in pool.categories):
        raise BadInput(
            "partly absent categories of a data set of sequences", where,
            "a first image a category",
            "images of which any may be a reference",
        )  # fmt: skip
    if not any(len(category.absent) for category in pool.categories):
        raise BadInput(
            "absent categories of a dataset that does not say what is absent", where,
            "absent: partly", "exhaustive: true, if every object in every image has a mask",
        )  # fmt: skip
    if len(pool.categories) < max(ways, 2):
        raise BadInput(
            "too few categories for an episode", where,
            f"{len(pool.categories)} in enough images", f"{max(ways, 2)} for ways: {ways}",
        )  # fmt: skip


def draw_partly(pool: EpisodePool, ways: int, seed: int, number: int) -> tuple[Episode, ...]:
    """Return episode `number`: one for each of its categories, by id, all of one target.

    Every run of as many episodes as there are categories has a target of each. A category that a
    dataset says nothing of in the target is not asked for; so there may be fewer than `ways`.
    However little of a category a target shows, it shows it.
    """
    own = category_at(pool, seed, 0, number)
    draws = Draws("partly absent", seed, number)
    shown = int(own.present[draws.below(len(own.present))])
    target = int(pool.index.image_of_object[shown])
    row_of = _shown_in(pool.index, target)
    known = [
        category
        for category in pool.categories
        if category.category_id in row_of or _holds(category.absent, target)
    ]
    asked = sorted(_asked(known, own, ways, draws), key=lambda category: category.category_id)
    return tuple(
        Episode(
            seed,
            0,
            number,
            category.category_id,
            _references(pool, category, target, draws),
            target,
            row_of.get(category.category_id),
        )
        for category in asked
    )


def _shown_in(index: DatasetIndex, image: int) -> dict[int, int]:
    """Return the object's row of each category that has a pixel in an image."""
    areas_px = index.objects["area_px"]
    return {
        int(index.category_of_object[row]): row
        for row in index.objects_of(image)
        if areas_px[row].as_py() > 0
    }


def _holds(sorted_rows: np.ndarray, row: int) -> bool:
    place = int(np.searchsorted(sorted_rows, row))
    return place < len(sorted_rows) and bool(sorted_rows[place] == row)


def _asked(
    known: Sequence[CategoryPool], own: CategoryPool, ways: int, draws: Draws
) -> list[CategoryPool]:
    left = {
        category.category_id: (category, len(known) - 1 if category is own else 1)
        for category in known
    }
    chosen = []
    while left and len(chosen) < ways:
        at = draws.below(sum(weight for _, weight in left.values()))
        for category_id, (category, weight) in left.items():
            at -= weight
            if at < 0:
                chosen.append(category)
                del left[category_id]
                break
    return chosen


def _references(
    pool: EpisodePool, category: CategoryPool, target: int, draws: Draws
) -> tuple[EpisodeReference, ...]:
    free = category.present[pool.index.image_of_object[category.present] != target]
    places = draws.distinct(pool.settings.references.max, len(free))
    return tuple(EpisodeReference(int(free[place]), "mask") for place in places)
