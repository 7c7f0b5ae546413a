"""Read class folders of images and mask PNGs into a listing: one row per image and class."""

import hashlib
import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

import numpy as np
from PIL import Image
from pydantic import TypeAdapter, ValidationError

from pipeline.datasets.listing import LIST_THREADS, ImageRow, Listing, ObjectRow, Problem
from pipeline.datasets.measure import check_image
from pipeline.images.decode import UNREADABLE
from pipeline.storage.place import Place
from schemas.errors import BadInput
from schemas.faults import faults_of
from schemas.job.dataset import FolderDataset
from schemas.job.storage import Storage

UNMARKED = TypeAdapter(dict[str, frozenset[str]])
NO_MASK = ("missing-mask", "unreadable-mask", "misaligned")
"""What is wrong with the mask of an image that shows its class all the same."""
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True)
class _Pair:
    """An image and its mask, read."""

    image: ImageRow
    category: str
    area_px: int
    mask_uri: str
    mask_sha256: str

    @property
    def name(self) -> str:
        """The image's path below the root."""
        return self.image.image_id

    @property
    def content(self) -> str:
        """What tells photos apart: of equal bytes, they are one image."""
        return str(self.image.image_sha256)

    @property
    def id(self) -> str:
        """The name without its suffix."""
        return str(PurePosixPath(self.name).with_suffix(""))

    def shown(self, image_id: str, category_id: int) -> ObjectRow:
        """Return the mask as an object of an image, which is the first of equal photos."""
        row = ObjectRow(image_id, category_id, self.area_px, "shown", mask_uri=self.mask_uri)
        return replace(row, mask_sha256=self.mask_sha256)


def list_folder(dataset: FolderDataset, storage: Storage) -> Listing:
    """Read every image and mask whole; photos of equal bytes become one image.

    Raises BadInput when no image has a mask.
    """
    folder = Place.open(dataset.root, storage)
    masks = folder if dataset.masks is None else Place.open(dataset.masks, storage)
    problems: list[Problem] = []
    pairs: list[_Pair] = []
    with ThreadPoolExecutor(LIST_THREADS) as pool:
        named = _pair_names(folder, masks, problems, _read_classes(dataset, storage))
        for found in pool.map(lambda pair: _read_pair(pair[0], pair[1], folder, masks), named):
            if isinstance(found, Problem):
                problems.append(found)
            else:
                pairs.append(found)
    if not pairs:
        raise BadInput(
            "no image with a mask", dataset.root, f"{len(problems)} files that do not pair",
            "<class>/<id>.jpg with <class>/<id>.png",
        )  # fmt: skip
    ids = {name: number for number, name in enumerate(sorted({p.category for p in pairs}), 1)}
    images: dict[str, ImageRow] = {}
    objects: dict[tuple[str, int], ObjectRow] = {}
    for pair in pairs:
        first = images.setdefault(pair.content, _image(pair, dataset, len(images)))
        key = (first.image_id, ids[pair.category])
        if key in objects:
            message = f"the same photo as {first.image_id}, in the same class"
            problems.append(Problem(pair.name, pair.image.image_uri, "duplicate", message))
        else:
            objects[key] = pair.shown(*key)
    if dataset.exhaustive:
        objects = _unusable(problems, images, ids, folder) | objects
    categories = [(number, name) for name, number in ids.items()]
    rows = list(objects.values())
    exhaustive = dataset.exhaustive
    if dataset.unmarked is not None:
        unmarked = read_unmarked(Place.open(dataset.unmarked, storage), [p.id for p in pairs])
        may_show = {(images[p.content].image_id, c) for p in pairs for c in unmarked.get(p.id, ())}
        rows += [
            ObjectRow(image.image_id, number, 0, "absent")
            for image in images.values()
            for number, name in categories
            if (image.image_id, number) not in objects and (image.image_id, name) not in may_show
        ]
        exhaustive = False  # the rows say what is absent
    return Listing(categories, list(images.values()), rows, problems, exhaustive)


def _unusable(
    problems: Iterable[Problem],
    images: Mapping[str, ImageRow],
    ids: Mapping[str, int],
    folder: Place,
) -> dict[tuple[str, int], ObjectRow]:
    """Return a row for each image that lies in a class folder without a mask that can be used.

    It shows the class, so it is no image without it. images are by their contents.
    """
    names = [problem.image_id for problem in problems if problem.reason in NO_MASK]
    rows = {}
    with ThreadPoolExecutor(LIST_THREADS) as pool:
        for row in pool.map(lambda name: check_image(folder.below(name), name), names):
            category_id = ids.get(PurePosixPath(row.image_id).parent.name)
            image = images.get(str(row.image_sha256)) if isinstance(row, ImageRow) else None
            if image is not None and category_id is not None:
                key = (image.image_id, category_id)
                rows[key] = ObjectRow(*key, 0, "unusable")
    return rows


def read_unmarked(place: Place, ids: Collection[str]) -> Mapping[str, frozenset[str]]:
    """Read which classes photos may show without a mask, by `<class>/<id>`. Raises BadInput.

    ids are those of the photos there are.
    """
    data = place.read()
    try:
        found = UNMARKED.validate_json(data)
    except ValidationError as error:
        raise BadInput(
            "a file of what is not marked that cannot be read", place.uri, faults_of(error),
            '{"<class>/<id>": ["<class>", ...]}',
        ) from error  # fmt: skip
    if unknown := sorted(found.keys() - set(ids)):
        raise BadInput(
            "not marked in photos that are not there", place.uri, ", ".join(unknown[:5]),
            "<class>/<id> of the folder's photos, without .jpg",
        )  # fmt: skip
    return found


def _image(pair: _Pair, dataset: FolderDataset, number: int) -> ImageRow:
    if not dataset.first_is_reference:
        return pair.image
    return replace(pair.image, sequence=pair.category, frame=number)


def _read_classes(dataset: FolderDataset, storage: Storage) -> frozenset[str] | None:
    """Return the classes that are wanted, None for all."""
    if dataset.classes is None:
        return None
    lines = Place.open(dataset.classes, storage).read().decode("utf-8").splitlines()
    return frozenset(line.strip() for line in lines if line.strip())


def _pair_names(
    folder: Place, masks: Place, problems: list[Problem], classes: frozenset[str] | None
) -> Iterator[tuple[str, str]]:
    """Yield (image, mask) paths below their folders, by name; the unpaired become problems."""
    beside = masks is folder
    names = [
        name
        for name in folder.files()
        if _is_image(name) and (classes is None or PurePosixPath(name).parent.name in classes)
    ]
    if beside:
        images = [name for name in names if not name.lower().endswith(".png")]
        pngs = set(names) - set(images)
    else:
        images = names
        pngs = {
            name
            for name in masks.files()
            if name.lower().endswith(".png")
            and (classes is None or PurePosixPath(name).parent.name in classes)
        }
    for name in images:
        mask = str(PurePosixPath(name).with_suffix(".png"))
        if mask in pngs:
            pngs.discard(mask)
            yield name, mask
        else:
            uri = masks.below(mask).uri
            problems.append(Problem(name, folder.below(name).uri, "missing-mask", f"no {uri}"))
    for orphan in sorted(pngs):
        problems.append(
            Problem(orphan, masks.below(orphan).uri, "missing-image", "a mask without an image")
        )


def _is_image(name: str) -> bool:
    # A class is a folder, so what lies at the root belongs to none.
    return "/" in name and name.lower().endswith(IMAGE_SUFFIXES)


def _read_pair(name: str, mask: str, folder: Place, masks: Place) -> _Pair | Problem:
    row = check_image(folder.below(name), name)
    if isinstance(row, Problem):
        return row
    mask_uri = masks.below(mask).uri
    data = masks.below(mask).read()
    try:
        with Image.open(io.BytesIO(data)) as image:
            area_px, mask_size = int(foreground(image).sum()), (image.height, image.width)
    except UNREADABLE as error:
        return Problem(name, mask_uri, "unreadable-mask", str(error))
    if mask_size != row.size:
        size = f"{row.width} x {row.height}"
        message = f"an image of {size}, a mask of {mask_size[1]} x {mask_size[0]}"
        return Problem(name, mask_uri, "misaligned", message)
    if area_px == 0:
        return Problem(name, mask_uri, "empty-mask", "no pixel of another colour than black")
    mask_sha256 = hashlib.sha256(data).hexdigest()
    return _Pair(row, PurePosixPath(name).parent.name, area_px, mask_uri, mask_sha256)


def foreground(mask: Image.Image) -> np.ndarray:
    """Return the pixels that are not black, bool [H, W]; alpha says nothing about the object."""
    if mask.mode == "P":
        mask = mask.convert("RGB")
    values = np.asarray(mask)
    if values.ndim == 2:
        return values != 0
    colours = values.shape[2] - (mask.mode in ("LA", "RGBA"))
    return np.asarray(values[:, :, :colours].any(axis=2))
