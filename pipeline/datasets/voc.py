"""Read VOC images and index PNGs into a listing: one row per image and class value in its PNG."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import PurePosixPath

import numpy as np

from pipeline.datasets.listing import LIST_THREADS, ImageRow, Listing, ObjectRow, Problem
from pipeline.datasets.measure import check_image, numbers_in, read_mask
from pipeline.storage.place import Place
from schemas.errors import BadInput
from schemas.job.dataset import VocDataset
from schemas.job.storage import Storage

IGNORED = 255

ImageOrProblem = tuple[ImageRow, list[ObjectRow]] | Problem


def list_voc(dataset: VocDataset, storage: Storage) -> Listing:
    """Read the split's list, every mask whole and every image's header.

    Raises MissingFile for a missing list, BadInput for an empty one.
    """
    folder = Place.open(dataset.root, storage)
    ids = _read_split(folder, dataset)
    images, objects, problems = [], [], []
    with ThreadPoolExecutor(LIST_THREADS) as pool:
        for found in pool.map(lambda image_id: _read_pair(image_id, folder, dataset), ids):
            if isinstance(found, Problem):
                problems.append(found)
            else:
                images.append(found[0])
                objects += found[1]
    return Listing(list(enumerate(dataset.classes, 1)), images, objects, problems, exhaustive=True)


def _read_split(folder: Place, dataset: VocDataset) -> list[str]:
    """Return the image ids in order; a line is `2007_000033` or `/JPEGImages/2007_000033.jpg …`."""
    split = folder.below(dataset.split)
    lines = split.read().decode("utf-8").splitlines()
    names = {PurePosixPath(line.split()[0]).name for line in lines if line.strip()}
    ids = sorted({name.removesuffix(".jpg") for name in names})
    if not ids:
        raise BadInput("a split that lists no image", split.uri, "no line", "image ids")
    return ids


def _read_pair(image_id: str, folder: Place, dataset: VocDataset) -> ImageOrProblem:
    mask = folder.below(f"{dataset.masks}/{image_id}.png")
    image = check_image(folder.below(f"{dataset.images}/{image_id}.jpg"), image_id)
    if isinstance(image, Problem):
        return image
    read = read_mask(mask, image_id, partial(numbers_in, what="class"))
    if isinstance(read, Problem):
        return read
    values_HW, mask_sha256 = read
    if values_HW.shape != image.size:
        size = f"{image.width} x {image.height}"
        message = f"an image of {size}, a mask of {values_HW.shape[::-1]}"
        return Problem(image_id, mask.uri, "misaligned", message)
    areas_px = np.bincount(values_HW.ravel(), minlength=IGNORED + 1)
    values = [int(value) for value in np.flatnonzero(areas_px[1:IGNORED]) + 1]
    if unknown := [value for value in values if value > len(dataset.classes)]:
        message = f"values {unknown}, of {len(dataset.classes)} classes"
        return Problem(image_id, mask.uri, "unknown-category", message)
    ignored = IGNORED if areas_px[IGNORED] else None
    rows = [
        ObjectRow(image_id, value, int(areas_px[value]), "shown", mask_uri=mask.uri,
                  mask_value=value, ignore_value=ignored, mask_sha256=mask_sha256)
        for value in values
    ]  # fmt: skip
    return image, rows
