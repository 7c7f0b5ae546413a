"""Images become the seconds that `lite` takes for one, of five categories, on one thread.

    OMP_NUM_THREADS=1 python -m benchmarks.model.lite [--images 12]

Drawn scenes with a mask as reference; with one and five references a category, and with and without
the signals of presence. Medians over the images, after one that is not counted.
"""

import argparse
import time
from itertools import product

import numpy as np
import torch

from benchmarks.references.routing import method
from model.build import load_method
from model.checkpoints.load import Loader
from model.segmenter import LoadedReference, StudyOptions
from pipeline.presence.pictures import Picture, scene_pictures
from pipeline.scenes.categories import RESERVED

CATEGORIES = 5
SCENES = 60


def main() -> None:
    """Print a line for each number of references, without and with presence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=12)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    scenes = list(scene_pictures(RESERVED, SCENES, seed=1))
    images = [scene.image_HW3 for scene in scenes[: asked.images]]
    study = load_method(method(), Loader("cpu", "fp32"))
    for shots, presence in product((1, 5), (False, True)):
        segmenter = study(references(scenes, shots), StudyOptions(evidence=presence))
        segmenter.segment(images[:1])
        seconds = []
        for image in images:
            begun = time.perf_counter()
            segmenter.segment([image])
            seconds.append(time.perf_counter() - begun)
        print(
            {
                "references": shots,
                "presence": presence,
                "seconds": round(float(np.median(seconds)), 3),
            }
        )


def references(scenes: list[Picture], shots: int) -> list[LoadedReference]:
    """Return so many of each of the first categories."""
    chosen = []
    for number, name in enumerate(RESERVED[:CATEGORIES]):
        shown = [scene for scene in scenes if name in scene.masks][:shots]
        chosen += [
            LoadedReference(f"{name}-{k}", number + 1, one.image_HW3, one.masks[name])
            for k, one in enumerate(shown)
        ]
    return chosen


if __name__ == "__main__":
    main()
