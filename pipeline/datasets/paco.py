"""Read PACO-LVIS into a listing: an image per annotated object, its parts as categories.

Matcher's protocol (Liu et al. 2024, section 4.2): the object's box is cut out of the photo. There
one object is drawn per photo; here each object is an image of its own.
"""

from collections import defaultdict
from typing import Any

from pipeline.datasets.coco import measure_images, passed_over
from pipeline.datasets.cut_out import cut_out
from pipeline.datasets.listing import ImageRow, Listing, ObjectRow, Problem
from pipeline.masks.coco import NEEDED_KEYS, Document, Entry, drawn_runs, read_instances
from pipeline.storage.place import Place
from schemas.job.dataset import PacoDataset
from schemas.job.storage import Storage

PACO_KEYS = {
    **NEEDED_KEYS,
    "annotations": ("id", "image_id", "category_id", "obj_ann_id", "bbox", "segmentation"),
}


def list_paco(dataset: PacoDataset, storage: Storage) -> Listing:
    """Read the whole JSON, list the images' folder, and read every photo's header.

    Raises BadInput for a file that is not PACO's, BadStorage for one that is missing.
    """
    data = Place.open(dataset.instances, storage).read()
    instances = read_instances(data, dataset.instances, PACO_KEYS)
    document = instances.document
    named = [{**entry, "file_name": _file_name(entry)} for entry in document["images"]]
    photos, faulty = measure_images(named, Place.open(dataset.images, storage))
    problems = [*faulty, *passed_over(instances.passed_over, instances.uri)]
    images, objects = [], []
    ids, parts_of = _parts(document)
    by_id = {photo.image_id: photo for photo in photos}
    for entry in document["annotations"]:
        photo = by_id.get(str(entry["image_id"]))
        if photo is None or entry["id"] not in parts_of:
            continue  # of a photo that is a problem already, a part itself, or without parts
        found = _object(entry, photo, ids, parts_of[entry["id"]], problems)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            images.append(found[0])
            objects += found[1]
    categories = sorted((number, name) for name, number in ids.items())
    return Listing(categories, images, objects, problems, exhaustive=False)


def _file_name(entry: Entry) -> str:
    # Released with longer paths too: the folder and the file are what COCO's zips unpack to.
    return "/".join(entry["file_name"].split("/")[-2:])


def _parts(document: Document) -> tuple[dict[str, int], dict[int, list[tuple[str, Entry]]]]:
    """Number the categories `object:part` that are annotated; gather each object's parts by name.

    The released files name them so themselves; those of the paper's first version have a list of
    parts, and the object's name comes from its own annotation.
    """
    names = {entry["id"]: entry["name"] for entry in document["categories"]}
    bare = {entry["id"]: entry["name"] for entry in document.get("part_categories", [])}
    object_names = {
        entry["id"]: names.get(entry["category_id"], "")
        for entry in document["annotations"]
        if entry["id"] == entry["obj_ann_id"]
    }
    found: defaultdict[int, list[tuple[str, Entry]]] = defaultdict(list)
    order: dict[str, int] = {}
    for entry in document["annotations"]:
        of_object = object_names.get(entry["obj_ann_id"])
        if entry["id"] == entry["obj_ann_id"] or of_object is None:
            continue
        own = names.get(entry["category_id"], "")
        name = own if ":" in own else f"{of_object}:{bare.get(entry['category_id'], own)}"
        found[entry["obj_ann_id"]].append((name, entry))
        order[name] = min(order.get(name, entry["category_id"]), entry["category_id"])
    ordered = sorted(order, key=lambda name: (order[name], name))
    return {name: number for number, name in enumerate(ordered, 1)}, dict(found)


def _object(
    entry: Entry,
    photo: ImageRow,
    ids: dict[str, int],
    parts: list[tuple[str, Entry]],
    problems: list[Problem],
) -> tuple[ImageRow, list[ObjectRow]] | Problem:
    size_HW = (photo.height, photo.width)
    runs: defaultdict[int, list[Any]] = defaultdict(list)
    for name, part in parts:
        try:
            runs[ids[name]].append(drawn_runs(part["segmentation"], size_HW))
        except ValueError as error:
            where = f"{photo.image_uri}#{part['id']}"
            problems.append(Problem(photo.image_id, where, "bad-annotation", str(error)))
    name = f"{photo.image_id}@{entry['id']}"
    try:
        left, top, width, height = entry["bbox"]
        box = (int(left), int(top), int(left + width), int(top + height))
    except (ValueError, TypeError, OverflowError):
        message = f"the box {entry['bbox']!r:.60}"
        return Problem(name, photo.image_uri, "bad-annotation", message)
    return cut_out(photo, name, box, runs)
