"""Scenes and photos become how often references are called foreign to a collection of either.

    python -m benchmarks.references.foreign PHOTOS [--images 24]

Of 60 scenes of the reserved categories and of at most 200 photos of a folder, read evenly, a
collection of `images` is drawn 30 times; the others of its kind are references from it, and all
of the other kind are foreign. Two lines for each kind of collection: the shares that are named.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.references.routing import method, small
from model.checkpoints.load import Loader
from model.draws import Draws
from model.whole_image import load_look
from pipeline.inputs.sample import spread
from pipeline.references.domain import foreign
from pipeline.scenes.categories import RESERVED
from pipeline.scenes.write import SceneSet

SCENES, PHOTOS, DRAWN = SceneSet(106, 60, RESERVED), 200, 30


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--images", type=int, default=24)
    asked = parser.parse_args()
    look = load_look(method(), Loader("cpu", "fp32"))
    looks = {
        "scenes": np.stack([look(drawn.image_HW3) for _, drawn in SCENES]),
        "photos": np.stack([look(photo) for photo in photos(asked.photos)]),
    }
    for name, other in (("scenes", "photos"), ("photos", "scenes")):
        own, foreigners = [], []
        for number in range(DRAWN):
            order = Draws(number, "foreign", name).permutation(len(looks[name]))
            collection_NC = looks[name][order[: asked.images]]
            own.append(foreign(looks[name][order[asked.images :]], collection_NC).mean())
            foreigners.append(foreign(looks[other], collection_NC).mean())
        print(f"{asked.images} {name}: {np.mean(own):.3f} of their own, {len(looks[name])} in all")
        print(f"{asked.images} {name}: {np.mean(foreigners):.3f} of {len(looks[other])} {other}")


def photos(folder: Path) -> Iterable[np.ndarray]:
    """Read photos evenly from a folder; one that is there under several categories once."""
    paths = {path.name: path for path in sorted(folder.rglob("*.jpg"))}
    for path in spread(list(paths.values()), PHOTOS):
        yield small(Image.open(path).convert("RGB"))


if __name__ == "__main__":
    main()
