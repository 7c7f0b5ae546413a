"""A sample of a collection becomes which of its images to annotate next, of a category.

Letters beyond those of model/segmenter.py: R references, N images of the collection.
"""

from collections.abc import Sequence

import numpy as np

from pipeline.references.collection import Sampled

MOST_ADVISED = 3
"""Of a category."""
LEAST_CHANCE = 0.3
"""Less likely ones mostly lack the object."""
SAME_LOOK = 0.999
"""Cosine of the looks of one image in two files."""


def next_references(
    images: Sequence[Sampled], look_RC: np.ndarray, category_id: int
) -> tuple[Sampled, ...]:
    """Return images that likely show the category, those that show it largest first.

    look_RC are the category's references'; an image that looks the same as one of them, or as one
    advised before, is passed over. What this was measured to be worth: docs/presence.md.
    """
    likely = [
        image
        for image in images
        if category_id in image.found and image.found[category_id].chance >= LEAST_CHANCE
    ]
    known, advised = list(look_RC), list[Sampled]()
    for image in sorted(likely, key=lambda one: one.found[category_id].side, reverse=True):
        if max(float(image.look_C @ look_C) for look_C in known) < SAME_LOOK:
            advised.append(image)
            known.append(image.look_C)
    return tuple(advised[:MOST_ADVISED])
