"""Photos with masks become what the best few of many references are worth: IoU, and CPU time.

    VRP_PHOTOS=folder python -m benchmarks.references.routing [--categories dog,cow] [--many 50]
        [--best 5]

Of each category every third photo is a target, 12 at most; the rest, at most `many`, are its
references. An image is asked with all of them, with the best few for it, and with the first few,
which is what one would do without choosing. The folder holds `<category>/<id>.jpg` with `<id>.png`,
or folders of such. A line for each category, then their mean.
"""

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from model.build import LoadedMethod, load_method
from model.checkpoints.load import Loader
from model.masks.upsample import mask_at
from model.segmenter import PLAIN, LoadedReference, Segmenter
from pipeline.lite.tally import Tally
from pipeline.weights.from_card import fill_methods
from pipeline.weights.of_method import local_method
from schemas.job.method import Vrp
from schemas.job.storage import Storage

MOST_TARGETS = 12
LONGEST_PX = 512
Shown = tuple[np.ndarray, np.ndarray]
"""A photo, uint8 RGB, and its category's mask."""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", default=os.environ.get("VRP_PHOTOS"), required=False)
    parser.add_argument("--categories", default="")
    parser.add_argument("--many", type=int, default=50)
    parser.add_argument("--best", type=int, default=5)
    asked = parser.parse_args()
    loader = Loader("cpu", "fp32")
    every = load_method(method(best_references="all"), loader)
    best = load_method(method(best_references=asked.best), loader)
    rows = []
    for category, shown in read_shown(Path(asked.photos), asked.categories.split(",")).items():
        targets, references = divide(shown, asked.many)
        if len(references) <= asked.best:
            continue
        studies = {
            "all": study(every, references),
            "best": study(best, references),
            "first": study(every, references[: asked.best]),
        }
        row = {"category": category, "references": len(references), "targets": len(targets)}
        for name, segmenter in studies.items():
            row |= {f"{name} {key}": v for key, v in figures(segmenter, targets).items()}
        rows.append(row)
        print(row, flush=True)
    print({key: np.mean([row[key] for row in rows]).round(4) for key in rows[0] if " " in key})


def method(**changes: Any) -> Vrp:
    """Return the method of this repository's weights, by local files."""
    return local_method(named_method(**changes), Storage())


def named_method(**changes: Any) -> Vrp:
    """Return the method of this repository's weights, by their names."""
    document = {"method": {"type": "vrp", "weights": "lite-vrp", **changes}}
    return Vrp.model_validate(fill_methods(document, Path.cwd())["method"])


def read_shown(folder: Path, categories: Sequence[str]) -> dict[str, list[Shown]]:
    """Read the pairs of a folder by category, in the order of their names."""
    shown: dict[str, list[Shown]] = {}
    for path in sorted(folder.rglob("*.png")):
        photo = path.with_suffix(".jpg")
        if photo.is_file() and (not any(categories) or path.parent.name in categories):
            mask_HW = small(Image.open(path).convert("L")) > 127
            if mask_HW.any():
                image_HW3 = small(Image.open(photo).convert("RGB"))
                shown.setdefault(path.parent.name, []).append((image_HW3, mask_HW))
    return shown


def small(image: Image.Image) -> np.ndarray:
    """Return pixels of at most LONGEST_PX: the networks see no more."""
    image.thumbnail((LONGEST_PX, LONGEST_PX), Image.Resampling.BILINEAR)
    return np.asarray(image)


def divide(shown: Sequence[Shown], most: int) -> tuple[list[Shown], list[Shown]]:
    """Return the targets, and the references of all of them."""
    targets = list(shown[::3])[:MOST_TARGETS]
    return targets, [one for place, one in enumerate(shown) if place % 3][:most]


def study(method: LoadedMethod, references: Sequence[Shown]) -> Segmenter:
    """LoadedMethod the references of one category."""
    loaded = [
        LoadedReference(str(number), 1, image_HW3, mask_HW)
        for number, (image_HW3, mask_HW) in enumerate(references)
    ]
    return method(loaded, PLAIN)


def figures(segmenter: Segmenter, targets: Sequence[Shown]) -> dict[str, float]:
    """Return summed intersections by summed unions, mean IoU, and CPU seconds an image."""
    tally = Tally()
    start = time.process_time()
    found = [segmenter.segment([image_HW3])[0][0] for image_HW3, _ in targets]
    seconds = (time.process_time() - start) / len(targets)
    for prediction, (_, truth_HW) in zip(found, targets, strict=True):
        shape_HW = (truth_HW.shape[0], truth_HW.shape[1])
        tally.add("asked", mask_at(prediction, shape_HW, 0.0), truth_HW)
    return {
        "iou": round(tally.miou(), 4),
        "mean_iou": round(tally.mean_iou(), 4),
        "seconds": round(seconds, 3),
    }


if __name__ == "__main__":
    main()
