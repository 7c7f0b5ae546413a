"""Read COCO instances and turn their segmentations into runs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.masks.runs import filled, runs_of
from pipeline.storage.place import Place
from schemas.errors import BadInput
from schemas.storage import Storage

Entry = dict[str, Any]


Document = dict[str, list[Entry]]


NEEDED_KEYS: Mapping[str, Sequence[str]] = {
    "images": ("id", "file_name", "height", "width"),
    "annotations": ("id", "image_id", "category_id"),
    "categories": ("id", "name"),
}


def read_instances(
    uri: str, storage: Storage, needed: Mapping[str, Sequence[str]] = NEEDED_KEYS
) -> Document:
    """Return a JSON file whose lists have the needed keys. Raises BadInput, BadStorage."""
    data = Place.open(uri, storage).read()
    try:
        document = json.loads(data)
        for name, keys in needed.items():
            for number, entry in enumerate(document[name]):
                if missing := [key for key in keys if key not in entry]:
                    raise ValueError(f"{name}[{number}] lacks {', '.join(missing)}")
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(
            "not a COCO instances file", uri, repr(error), "lists images, annotations, categories"
        ) from error
    return document


def drawn_runs(segmentation: Any, size_HW: tuple[int, int]) -> Any:
    """Return the COCO runs of an annotation's polygons or RLE.

    Raises ValueError, TypeError, KeyError, IndexError or OverflowError for what is neither.
    """
    if isinstance(segmentation, dict):
        if tuple(segmentation["size"]) != size_HW:
            raise ValueError(f"an RLE of size {segmentation['size']}, of an image {size_HW}")
        return runs_of(segmentation["counts"], size_HW)
    # pycocotools takes four numbers for a box, so anything short of a triangle is kept from it.
    polygons = [polygon for polygon in segmentation or () if len(polygon) >= 6]
    if not polygons:
        raise ValueError("no segmentation")
    return filled(polygons, size_HW)
