"""An output with all that exports meet: folders, EXIF, unicode names, empty and rejected images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from pipeline.export.image_files import export_images
from schemas.job.storage import Storage
from tests.made.data.datasets import HEIGHT, WIDTH, jpeg
from tests.made.outputs.committed import commit_units, label_rows, rejected_row

NAMES = ("a/1.jpg", "b/1.jpg", "katze-ü.jpg", "turned.jpg", "empty.jpg")


@dataclass(frozen=True)
class Made:
    """An output, its images as files, and its masks by file name and category."""

    output: str
    images: str
    masks: dict[tuple[str, str], np.ndarray]


def blobs(seed: int, *, holes: bool) -> np.ndarray:
    """A mask of a few round parts, one of them with a hole where wanted."""
    noise = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH), np.uint8)
    smooth = np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(5)))
    mask_HW = smooth > np.percentile(smooth, 75)
    mask_HW[30:50, 30:60] = True
    if holes:
        mask_HW[36:44, 40:50] = False
    return mask_HW


def make(folder: Path, *, holes: bool = False) -> Made:
    """Commit labels of five images and a rejected one, and export the images."""
    masks: dict[tuple[str, str], np.ndarray] = {}
    rows = []
    for seed, name in enumerate(NAMES):
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(seed, orientation=6 if name == "turned.jpg" else 1))
        own = {
            "cat": blobs(seed, holes=holes) & (name != "empty.jpg"),
            "dog": blobs(seed + 50, holes=holes) & (name == "b/1.jpg"),
        }
        masks |= {(name, category): mask_HW for category, mask_HW in own.items()}
        made = label_rows(name, own, uri=str(path))
        rows += [row | {"exif_orientation": 6} for row in made] if "turned" in name else made
    commit_units(str(folder / "out"), [(rows, [rejected_row("damaged.jpg")])])
    export_images(str(folder / "out"), Storage(), str(folder / "images"))
    return Made(str(folder / "out"), str(folder / "images"), masks)


def masks_of(dataset: Any) -> dict[tuple[str, str], np.ndarray]:
    """Return the masks of a datumaro data set by image, without its suffix, and category."""
    names = dataset.categories()[next(iter(dataset.categories()))]
    return {
        (item.id, names[one.label].name): one.image
        for item in dataset
        for one in item.annotations
        if one.type.name == "mask"
    }


def assert_same(found: dict[tuple[str, str], np.ndarray], made: Made) -> None:
    """Assert that all masks of an output were found, pixel for pixel."""
    wanted = {
        (name.removesuffix(".jpg"), category): mask_HW
        for (name, category), mask_HW in made.masks.items()
        if mask_HW.any()
    }
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[key], wanted[key]) for key in wanted)
