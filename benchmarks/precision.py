"""Compare masks of bf16 with those of fp32 over photos: how alike, and where one has none.

    python -m benchmarks.precision PHOTOS [--photos 24]

PHOTOS holds a folder per class, somewhere below it, with photos (.jpg) and their masks (.png of the
same stem). A class's first photo is the reference; the photos compared are spread evenly over all
others. The networks are untrained, of the size nano (`lite` runs in fp32 whatever is asked), on
this machine's CPU, which is slow in bf16 where it has no such arithmetic.
"""

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from model.build import load_method
from model.checkpoints.load import Loader
from model.masks.upsample import mask_at
from model.segmenter import PLAIN, LoadedReference, Prediction, Segmenter
from schemas.job.method import Vrp
from schemas.job.networks import Backbone, Sam

# SAM's own threshold on logits, which is a job's default too.
MASK_LOGIT = 0.0
PERCENTILES = (1, 5, 25, 50)


def main() -> None:
    """Print the distribution of IoU between the two precisions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos_folder", type=Path, metavar="PHOTOS")
    parser.add_argument("--photos", type=int, default=24)
    arguments = parser.parse_args()
    classes = photos_by_class(arguments.photos_folder)
    rest = [(folder, photo) for folder, photos in classes.items() for photo in photos[1:]]
    chosen = [rest[i] for i in spread(len(rest), arguments.photos)]
    sam, backbone = Sam(type="nano", weights="random"), Backbone(type="nano", weights="random")
    method = Vrp(type="vrp", weights="random", sam=sam, backbone=backbone)
    overlaps: list[float] = []
    alone = {"fp32": 0, "bf16": 0}
    seconds = {"fp32": 0.0, "bf16": 0.0}
    networks = {
        precision: load_method(method, Loader("cpu", precision)) for precision in ("fp32", "bf16")
    }
    for folder in dict.fromkeys(folder for folder, _ in chosen):
        reference = load_reference(classes[folder][0])
        segmenters = {p: study([reference], PLAIN) for p, study in networks.items()}
        for photo in (photo for parent, photo in chosen if parent == folder):
            image_HW3 = load_rgb(photo)
            masks = {}
            for precision, segmenter in segmenters.items():
                start = time.perf_counter()
                masks[precision] = mask_of(segmenter, image_HW3)
                seconds[precision] += time.perf_counter() - start
            overlaps.append(iou(masks["fp32"], masks["bf16"]))
            for precision, other in (("fp32", "bf16"), ("bf16", "fp32")):
                alone[precision] += bool(masks[precision].any() and not masks[other].any())
    report(overlaps, alone, seconds, len(rest))


def photos_by_class(root: Path) -> dict[Path, list[Path]]:
    """Return each folder's photos that have a mask, in order of their names."""
    found: dict[Path, list[Path]] = {}
    for mask in sorted(root.rglob("*.png")):
        if mask.with_suffix(".jpg").is_file():
            found.setdefault(mask.parent, []).append(mask.with_suffix(".jpg"))
    return found


def spread(count: int, wanted: int) -> Iterable[int]:
    """Return `wanted` indices at even distances below `count`, or all."""
    return sorted({i * count // wanted for i in range(wanted)}) if wanted < count else range(count)


def load_rgb(path: Path) -> np.ndarray:
    """Return uint8 [H, W, 3]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def load_reference(photo: Path) -> LoadedReference:
    """Return a photo with its mask as the reference of category 1."""
    with Image.open(photo.with_suffix(".png")) as mask:
        mask_HW = np.asarray(mask.convert("L")) > 0
    return LoadedReference(photo.stem, 1, load_rgb(photo), mask_HW)


def mask_of(segmenter: Segmenter, image_HW3: np.ndarray) -> np.ndarray:
    """Return the mask at the image's size."""
    (predictions,) = segmenter.segment([image_HW3])
    prediction: Prediction = predictions[0]
    height, width, _ = image_HW3.shape
    return mask_at(prediction, (height, width), MASK_LOGIT)


def iou(one_HW: np.ndarray, other_HW: np.ndarray) -> float:
    """Return intersection over union; two empty masks are alike."""
    union = np.count_nonzero(one_HW | other_HW)
    return np.count_nonzero(one_HW & other_HW) / union if union else 1.0


def report(
    overlaps: list[float], alone: dict[str, int], seconds: dict[str, float], available: int
) -> None:
    """Print what was found."""
    print(f"photos   {len(overlaps)} of {available}, torch {torch.__version__}")
    print(f"IoU      minimum {min(overlaps):.4f}, mean {np.mean(overlaps):.4f}")
    found = np.percentile(overlaps, PERCENTILES)
    each = [f"{p} %: {value:.4f}" for p, value in zip(PERCENTILES, found, strict=True)]
    print(f"         percentiles {', '.join(each)}")
    print(f"presence a mask in fp32 only: {alone['fp32']}, in bf16 only: {alone['bf16']}")
    per_photo = {p: total / len(overlaps) for p, total in seconds.items()}
    print(f"time     fp32 {per_photo['fp32']:.2f} s a photo, bf16 {per_photo['bf16']:.2f}")


if __name__ == "__main__":
    main()
