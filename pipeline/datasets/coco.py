"""Read COCO images and an instances JSON into a listing: one union mask per image and category."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pycocotools import mask as coco_mask

from pipeline.datasets.listing import LIST_THREADS, ImageRow, Listing, ObjectRow, Problem
from pipeline.datasets.measure import check_image
from pipeline.masks.coco import (
    Document,
    Entry,
    Instances,
    PassedOver,
    drawn_runs,
    read_instances,
    short_polygons,
)
from pipeline.storage.files import list_files
from pipeline.storage.place import Place
from schemas.errors import BadInput
from schemas.job.dataset import CocoDataset
from schemas.job.storage import Storage

END_OF_IDS = 2**31  # OBJECTS_SCHEMA.category_id


@dataclass(slots=True)
class _Drawn:
    """The runs of one category in one image, as they are collected."""

    objects: list[Any] = field(default_factory=list)
    crowds: list[Any] = field(default_factory=list)
    broken: bool = False  # an annotation that cannot be drawn: the union would lack it


def list_coco(dataset: CocoDataset, storage: Storage) -> Listing:
    """Read the whole JSON, list the images' folder, and read every image's header.

    Raises BadInput for a file that is not an instances JSON, BadStorage for one that is missing.
    """
    instances = read_instances(Place.open(dataset.instances, storage).read(), dataset.instances)
    return list_instances(instances, instances.document, Place.open(dataset.images, storage))


def list_instances(instances: Instances, document: Document, folder: Place) -> Listing:
    """Turn an instances file into a listing; the document's images lie below the folder."""
    uri = instances.uri
    categories = _categories(document["categories"], uri)
    images, faulty = measure_images(document["images"], folder)
    drawn: dict[tuple[str, int], _Drawn] = {}
    problems = [*faulty, *passed_over(instances.passed_over, uri)]
    sizes = {image.image_id: (image.height, image.width) for image in images}
    for number, entry in enumerate(document["annotations"]):
        image_id, category_id = _image_id(entry["image_id"]), int(entry["category_id"])
        if image_id not in sizes:
            continue  # its image is among the problems
        of_pair = drawn.setdefault((image_id, category_id), _Drawn())
        where = f"{uri}#{entry.get('id', f'annotations[{number}]')}"
        faults = _draw(entry, sizes[image_id], of_pair)
        problems += [Problem(image_id, where, "bad-annotation", fault) for fault in faults]
    objects, empty = _objects(images, categories, drawn)
    problems += empty
    return Listing(categories, images, objects, problems, exhaustive=True)


def passed_over(entries: Iterable[PassedOver], uri: str) -> Iterator[Problem]:
    """Yield the entries of an instances file that were passed over, as problems of the index."""
    for entry in entries:
        image_id = _image_id(entry.image_id)
        yield Problem(image_id, f"{uri}#{entry.where}", entry.reason, entry.message)


def _image_id(value: object) -> str:
    """Return the id of an image as the index writes it; 7.0 in an annotation is the image 7."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _categories(entries: Sequence[Entry], uri: str) -> list[tuple[int, str]]:
    categories = sorted((entry["id"], entry["name"]) for entry in entries)
    ids, names = {number for number, _ in categories}, {name for _, name in categories}
    if len(ids) != len(categories) or len(names) != len(categories):
        raise BadInput("a category is listed twice", uri, str(categories), "distinct ids and names")
    if wrong := sorted(number for number in ids if not 0 <= number < END_OF_IDS):
        raise BadInput(
            "a category's id that no index can hold",
            uri,
            ", ".join(map(str, wrong)),
            f"0 to {END_OF_IDS - 1}",
        )
    return categories


def measure_images(entries: Sequence[Entry], folder: Place) -> tuple[list[ImageRow], list[Problem]]:
    """Return the images that exist in the size the JSON says, in the order of their ids."""
    present = list_files(folder.fs, folder.path)
    images: dict[str, ImageRow] = {}
    problems = []

    def measure(entry: Entry) -> ImageRow | Problem:
        image_id, image = str(entry["id"]), folder.below(entry["file_name"])
        if entry["file_name"] not in present:
            return Problem(image_id, image.uri, "missing-image", "no such file")
        return check_image(image, image_id)

    # Numbers before names: a file may have both.
    ordered = sorted(entries, key=lambda entry: (isinstance(entry["id"], str), entry["id"]))
    with ThreadPoolExecutor(LIST_THREADS) as pool:
        for entry, found in zip(ordered, pool.map(measure, ordered), strict=True):
            image_id, uri = found.image_id, folder.below(entry["file_name"]).uri
            height, width = entry["height"], entry["width"]
            if isinstance(found, Problem):
                problems.append(found)
            elif image_id in images:
                problems.append(Problem(image_id, uri, "duplicate", "the id is listed before"))
            elif found.size != (height, width):
                message = f"{found.width} x {found.height} pixels, {width} x {height} in the JSON"
                problems.append(Problem(image_id, uri, "misaligned", message))
            else:
                images[image_id] = found
    return list(images.values()), problems


def _draw(entry: Entry, size_HW: tuple[int, int], drawn: _Drawn) -> Iterator[str]:
    """Add one annotation's runs; yield what of it could not be drawn."""
    kept = drawn.crowds if entry.get("iscrowd") else drawn.objects
    segmentation = entry.get("segmentation")
    try:
        if short_polygons(segmentation):
            yield "a polygon of fewer than three corners is left out"
        kept.append(drawn_runs(segmentation, size_HW))
    except ValueError as error:
        drawn.broken = True
        yield str(error)


def _objects(
    images: Iterable[ImageRow],
    categories: Sequence[tuple[int, str]],
    drawn: dict[tuple[str, int], _Drawn],
) -> tuple[list[ObjectRow], list[Problem]]:
    """Merge each pair's runs to one mask, in the order of the images and of the categories."""
    objects, problems = [], []
    for image in images:
        for category_id, name in categories:
            pair = drawn.get((image.image_id, category_id))
            if pair is None:
                continue
            row = _union(image.image_id, category_id, pair)
            if row.state == "unusable" and pair.objects and not pair.broken:
                message = f"{name} covers no pixel"
                problems.append(Problem(image.image_id, image.image_uri, "empty-mask", message))
            objects.append(row)
    return objects, problems


def _union(image_id: str, category_id: int, pair: _Drawn) -> ObjectRow:
    crowds = _counts(coco_mask.merge(pair.crowds)) if pair.crowds else None
    runs = coco_mask.merge(pair.objects)  # of nothing: an RLE without counts and area
    area_px = int(coco_mask.area(runs)) if pair.objects else 0
    if pair.broken or not area_px:
        return ObjectRow(image_id, category_id, 0, "unusable", ignore_rle=crowds)
    return ObjectRow(
        image_id, category_id, area_px, "shown", mask_rle=_counts(runs), ignore_rle=crowds
    )


def _counts(runs: Any) -> str:
    return runs["counts"].decode("ascii")
