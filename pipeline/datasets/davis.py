"""Read DAVIS into a listing: frames in their order, and an object's mask in each."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from pipeline.datasets.folder import foreground
from pipeline.datasets.listing import LIST_THREADS, ImageRow, Listing, ObjectRow, Problem
from pipeline.datasets.measure import check_image, numbers_in, read_mask
from pipeline.storage.place import Place
from schemas.errors import BadInput
from schemas.job.dataset import DavisDataset
from schemas.job.storage import Storage

RESOLUTION = "480p"

Frame = tuple[ImageRow, dict[int, int], str] | Problem
"""A frame, the area of each of its objects by its value in the annotation, and that's sha256."""


def list_davis(dataset: DavisDataset, storage: Storage) -> Listing:
    """Read the split's list, every frame's header and every annotation whole.

    An object that a frame of its sequence does not show is absent from it. Raises BadInput for a
    list without sequences, BadStorage for one that is missing.
    """
    root = Place.open(dataset.root, storage)
    images, objects, problems = [], [], []
    ids: dict[str, int] = {}
    names = [name for sequence in _read_split(root, dataset) for name in _frames(root, sequence)]
    with ThreadPoolExecutor(LIST_THREADS) as pool:
        read = list(pool.map(lambda name: _read_frame(root, name, dataset.year), names))
    problems = [frame for frame in read if isinstance(frame, Problem)]
    frames = [frame for frame in read if not isinstance(frame, Problem)]
    shown: dict[str, set[int]] = {}
    for image, areas_px, _ in frames:
        shown.setdefault(str(image.sequence), set()).update(areas_px)
    for sequence in sorted(shown):
        for value in sorted(shown[sequence]):
            ids[_category(dataset, sequence, value)] = len(ids) + 1
    for image, areas_px, mask_sha256 in frames:
        images.append(image)
        annotation = root.below(f"Annotations/{RESOLUTION}/{image.image_id}.png")
        for value in sorted(shown[str(image.sequence)]):
            category_id = ids[_category(dataset, str(image.sequence), value)]
            if not areas_px.get(value):
                objects.append(ObjectRow(image.image_id, category_id, 0, "absent"))
                continue
            objects.append(
                ObjectRow(
                    image.image_id,
                    category_id,
                    areas_px[value],
                    "shown",
                    mask_uri=annotation.uri,
                    mask_value=value if dataset.year == 2017 else None,
                    mask_sha256=mask_sha256,
                )
            )
    categories = [(number, name) for name, number in ids.items()]
    return Listing(categories, images, objects, problems, exhaustive=False)


def _category(dataset: DavisDataset, sequence: str, value: int) -> str:
    return sequence if dataset.year == 2016 else f"{sequence}/{value}"


def _read_split(root: Place, dataset: DavisDataset) -> list[str]:
    """Return the sequences; a line is one of them (2017), or a frame and its annotation (2016)."""
    place = root.below(f"ImageSets/{dataset.year}/{dataset.split}.txt")
    lines = [line.split()[0] for line in place.read().decode("utf-8").splitlines() if line.strip()]
    # /JPEGImages/480p/blackswan/00000.jpg, or blackswan
    sequences = {PurePosixPath(line).parent.name or line for line in lines}
    if not sequences:
        raise BadInput("a split that lists no sequence", place.uri, "no line", "names of sequences")
    return sorted(sequences)


def _frames(root: Place, sequence: str) -> list[str]:
    """Return the frames of a sequence, `bear/00000`; one without a folder is a missing frame."""
    folder = root.below(f"JPEGImages/{RESOLUTION}/{sequence}")
    found = [name for name in folder.files() if name.endswith(".jpg")]
    return [f"{sequence}/{name.removesuffix('.jpg')}" for name in found] or [f"{sequence}/00000"]


def _read_frame(root: Place, name: str, year: int) -> Frame:
    sequence, _, number = name.partition("/")
    image = root.below(f"JPEGImages/{RESOLUTION}/{name}.jpg")
    annotation = root.below(f"Annotations/{RESOLUTION}/{name}.png")
    frame = check_image(image, name)
    if isinstance(frame, Problem):
        return frame
    if not number.isdecimal():
        return Problem(name, image.uri, "bad-annotation", "a frame whose name is no number")
    read = read_mask(annotation, name, partial(_values_in, year=year))
    if isinstance(read, Problem):
        return read
    values_HW, mask_sha256 = read
    if values_HW.shape != frame.size:
        size = f"{frame.width} x {frame.height}"
        message = f"a frame of {size}, an annotation of {values_HW.shape[::-1]}"
        return Problem(name, annotation.uri, "misaligned", message)
    areas_px = np.bincount(values_HW.ravel(), minlength=1)
    shown = {int(value): int(areas_px[value]) for value in np.flatnonzero(areas_px[1:]) + 1}
    return replace(frame, sequence=sequence, frame=int(number)), shown, mask_sha256


def _values_in(annotation: Image.Image, year: int) -> np.ndarray:
    """Return the object of each pixel, uint8 [H, W]; of 2016 all objects are 1."""
    if year == 2017:
        return numbers_in(annotation, "object")
    return foreground(annotation).astype(np.uint8)
