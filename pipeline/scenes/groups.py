"""Groups of scenes that share a few categories, so that any two can be reference and target.

Letters: G scenes of a group, H W pixels.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.random import Generator, Philox

from model.local_files import whole_file
from pipeline.scenes.categories import BASE
from pipeline.scenes.compose import VERSION, scene

SCENES = 6
CATEGORIES = 5
"""With 1-3 of 5 categories an image, most pairs share one and every image lacks two or more."""


class SceneGroup(NamedTuple):
    """Scenes of the same few categories.

    owners_GHW numbers the pixels of each scene's instances from 1 (0 is background);
    labels[g][k] is the category index, into `BASE`, of instance k + 1 of scene g.
    """

    images_GHW3: np.ndarray
    owners_GHW: np.ndarray
    labels: tuple[tuple[int, ...], ...]


def draw_group(seed: int, number: int, names: Sequence[str], size_px: int = 256) -> SceneGroup:
    """Draw group `number` of a seed from the named base categories."""
    # Scenes have the keys (seed, index); a counter elsewhere keeps the groups' draws apart.
    rng = Generator(Philox(key=[seed, number], counter=2**64))
    chosen = [str(names[int(k)]) for k in rng.permutation(len(names))[:CATEGORIES]]
    scenes = [scene(seed, number * SCENES + k, chosen, size_px) for k in range(SCENES)]
    owners_GHW = np.zeros((SCENES, size_px, size_px), np.uint8)
    for owner_HW, drawn in zip(owners_GHW, scenes, strict=True):
        for place, (_, mask_HW) in enumerate(drawn.instances, start=1):
            owner_HW[mask_HW] = place
    labels = tuple(tuple(BASE.index(name) for name, _ in drawn.instances) for drawn in scenes)
    return SceneGroup(np.stack([drawn.image_HW3 for drawn in scenes]), owners_GHW, labels)


def group_file(folder: Path, seed: int, number: int) -> Path:
    """Return where a group is kept."""
    return folder / f"v{VERSION}-{seed}-{number}.npz"


def cached_group(folder: Path, seed: int, number: int, names: Sequence[str]) -> SceneGroup:
    """Return a group from its file, drawing and writing it on the first call."""
    path = group_file(folder, seed, number)
    if not path.is_file():
        group = draw_group(seed, number, names)
        with whole_file(path) as whole, whole.open("wb") as file:
            np.savez(
                file,
                images=group.images_GHW3,
                owners=group.owners_GHW,
                labels=np.array(json.dumps(group.labels)),
            )
        return group
    with np.load(path) as arrays:
        labels = tuple(tuple(labels) for labels in json.loads(str(arrays["labels"])))
        return SceneGroup(arrays["images"], arrays["owners"], labels)
