"""A sample of a collection becomes which of its images to annotate next, of a category.

Letters beyond those of model/segmenter.py: R references, N images of the collection.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.references.collection import Sampled

MOST_ADVISED = 3
"""Of a category."""
# Less likely ones mostly lack the object. Of 12 rules for choosing the next, tried on 15 starts of
# one reference, this one did best, and not surely better than chance (docs/presence.md).
LEAST_CHANCE = 0.3
SAME_LOOK = 0.999
"""Cosine of the looks of one image in two files."""


def next_references(
    images: Sequence[Sampled], look_RC: np.ndarray, category_id: int
) -> tuple[Sampled, ...]:
    """Return images that likely show the category and stand for many others, the first first.

    Each in turn is the one by which all images that likely show it, each counting by its chance,
    come nearest to a reference or to one advised before. look_RC are the category's references'.
    """
    if not images or not all(category_id in image.chances for image in images):
        return ()
    look_NC = np.stack([image.look_C for image in images])
    chance_N = np.array([image.chances[category_id] for image in images])
    among_NN = look_NC @ look_NC.T
    near_N = (look_NC @ look_RC.T).max(axis=1)
    free_N = (chance_N >= LEAST_CHANCE) & (near_N < SAME_LOOK)
    advised: list[Sampled] = []
    while free_N.any() and len(advised) < MOST_ADVISED:
        gain_N = (chance_N[:, None] * np.maximum(among_NN - near_N[:, None], 0)).sum(axis=0)
        best = int(np.where(free_N, gain_N, -1.0).argmax())
        advised.append(images[best])
        near_N = np.maximum(near_N, among_NN[:, best])
        free_N[best] = False
    return tuple(advised)
