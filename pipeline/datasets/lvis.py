"""Read LVIS over COCO 2017's images into a listing: as COCO, but most absences are unknown."""

from urllib.parse import urlsplit

from pipeline.datasets.coco import list_instances
from pipeline.datasets.listing import Listing, ObjectRow
from pipeline.masks.coco import NEEDED_KEYS, Document, read_instances
from pipeline.storage.place import Place
from schemas.job.dataset import LvisDataset
from schemas.job.storage import Storage

LVIS_KEYS = {
    **NEEDED_KEYS,
    # LVIS v1 names no file: an image's place is the end of its address, train2017/000000391895.jpg.
    "images": ("id", "coco_url", "height", "width", "neg_category_ids"),
}


def list_lvis(dataset: LvisDataset, storage: Storage) -> Listing:
    """Read the whole JSON, list the images' folder, and read every image's header.

    Raises BadInput for a file that is not LVIS's, BadStorage for one that is missing.
    """
    data = Place.open(dataset.instances, storage).read()
    instances = read_instances(data, dataset.instances, LVIS_KEYS)
    document = with_file_names(instances.document)
    found = list_instances(instances, document, Place.open(dataset.images, storage))
    absent = _absent(document, found)
    return Listing(
        found.categories, found.images, [*found.objects, *absent], found.problems, exhaustive=False
    )


def with_file_names(document: Document) -> Document:
    """Return the document with a `file_name` for every image: the last two parts of its address."""
    images = [
        {**entry, "file_name": "/".join(urlsplit(entry["coco_url"]).path.split("/")[-2:])}
        for entry in document["images"]
    ]
    return {**document, "images": images}


def _absent(document: Document, found: Listing) -> list[ObjectRow]:
    """Return a row for each category that LVIS says an image lacks."""
    kept = {image.image_id for image in found.images}
    known = {number for number, _ in found.categories}
    shown = {(row.image_id, row.category_id) for row in found.objects}
    return [
        ObjectRow(image_id, category_id, 0, "absent")
        for entry in document["images"]
        if (image_id := str(entry["id"])) in kept
        for category_id in sorted({*entry["neg_category_ids"]} & known)
        if (image_id, category_id) not in shown
    ]
