"""Turn a COCO instances file into true masks that labels can be looked up in."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from posixpath import basename, splitext
from typing import Any

from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from pipeline.storage.files import open_filesystem, read_bytes
from schemas.errors import BadInput
from schemas.reference import Category
from schemas.storage import Storage

Runs = Any
"""A mask as pycocotools holds it: {"size": [H, W], "counts": bytes}; untyped in its stubs."""


@dataclass(frozen=True)
class Truth:
    """True masks of images in which every object of the categories is annotated.

    Masks and crowds (pixels that count neither way) are unions, by COCO image id and by the
    labels' category id; a pair that is not among them is absent.
    """

    categories: frozenset[int]
    sizes: Mapping[int, tuple[int, int]]  # height, width
    masks: Mapping[tuple[int, int], Runs]
    crowds: Mapping[tuple[int, int], Runs]
    images_by_name: Mapping[str, frozenset[int]]

    def image(self, image_id: str) -> int | None:
        """Return the COCO id of a labelled image, None for one that the file does not list.

        A label's image id is a `file_name`, one without its extension, or the last part of one; a
        name that two files share tells nothing. Labels of a COCO source carry COCO's own id.
        """
        for name in _names(image_id):
            found = self.images_by_name.get(name, frozenset())
            if len(found) == 1:
                return next(iter(found))
        return None


def read_truth(
    uri: str, storage: Storage, categories: Sequence[Category], *, by_coco_id: bool = False
) -> Truth:
    """Read an instances JSON whole; categories are the labels' own, matched by name.

    by_coco_id: the labels' image ids are COCO's, as those of a COCO source are.
    Raises BadInput for a file of another kind, BadStorage for one that cannot be read.
    """
    data = read_bytes(*open_filesystem(uri, storage))
    coco = COCO()  # for its conversion of polygons and runs; given a file name, it would print
    try:
        document = json.loads(data)
        coco.imgs = {entry["id"]: entry for entry in document["images"]}
        sizes = {number: (e["height"], e["width"]) for number, e in coco.imgs.items()}
        by_name = {str(number): frozenset({number}) for number in sizes}
        if not by_coco_id:
            by_name = _by_file_name(coco.imgs)
        wanted = {category.name: category.id for category in categories}
        ids = {e["id"]: wanted[e["name"]] for e in document["categories"] if e["name"] in wanted}
        masks, crowds = _unions(coco, document["annotations"], ids)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise BadInput(
            "not a COCO instances file",
            uri,
            repr(error),
            "images, annotations with segmentations, categories",
        ) from error
    if not ids:
        raise BadInput(
            "ground truth of other categories",
            uri,
            ", ".join(sorted(e["name"] for e in document["categories"])[:20]) or "no category",
            f"some of {', '.join(sorted(wanted)[:20])}",
        )
    return Truth(frozenset(ids.values()), sizes, masks, crowds, by_name)


def _by_file_name(entries: Mapping[int, Mapping[str, Any]]) -> dict[str, frozenset[int]]:
    found: defaultdict[str, set[int]] = defaultdict(set)
    for number, entry in entries.items():
        for name in _names(entry["file_name"]):
            found[name].add(number)
    return {name: frozenset(numbers) for name, numbers in found.items()}


def _names(name: str) -> tuple[str, str, str]:
    stem, _ = splitext(name)
    return name, stem, basename(stem)


def _unions(
    coco: COCO, entries: Sequence[Any], ids: Mapping[int, int]
) -> tuple[dict[tuple[int, int], Runs], dict[tuple[int, int], Runs]]:
    """Return the objects and the crowds of each image and category; ids: the file's to ours."""
    masks: dict[tuple[int, int], Runs] = {}
    crowds: dict[tuple[int, int], Runs] = {}
    for entry in entries:
        if entry["category_id"] not in ids:
            continue
        key = (entry["image_id"], ids[entry["category_id"]])
        kept = crowds if entry.get("iscrowd") else masks
        runs: Runs = coco.annToRLE(entry)
        if isinstance(runs["counts"], str):
            runs = {"size": runs["size"], "counts": runs["counts"].encode("ascii")}
        kept[key] = coco_mask.merge([kept[key], runs]) if key in kept else runs
    return masks, crowds
