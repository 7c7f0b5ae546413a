"""Read PASCAL-Part's JSON files into a listing: an image per object, its parts as categories.

The layout is the one Matcher's authors share (Liu et al. 2024): per photo a JSON of objects with
their parts' masks as COCO RLE, and one JSON that lists each part's photos by split.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pipeline.datasets.cut_out import Box, cut_out
from pipeline.datasets.listing import LIST_THREADS, ImageRow, Listing, ObjectRow, Problem
from pipeline.datasets.measure import check_image
from pipeline.masks.coco import drawn_runs
from pipeline.storage.place import Place
from schemas.errors import BadInput, MissingFile
from schemas.job.dataset import PascalPartDataset
from schemas.job.storage import Storage

LISTS = "all_obj_part_to_image.json"
ANNOTATIONS = "Annotations_Part_json_merged_part_classes"
# Matcher leaves it out: its photos show next to none of it.
LEFT_OUT = "aeroplane:TAIL"

ImagesOrProblems = list[tuple[ImageRow, list[ObjectRow]] | Problem]


def list_pascal_part(dataset: PascalPartDataset, storage: Storage) -> Listing:
    """Read the lists, and of every photo in them the annotation and the header.

    Categories are `object:part` in the order of the lists, those that both splits show. Raises
    BadInput for lists of another kind, BadStorage for lists that are missing.
    """
    root = Place.open(dataset.root, storage)
    ids, photos = _read_lists(root.below(LISTS), dataset.split)

    def read(image_id: str) -> ImagesOrProblems:
        return list(_read_photo(image_id, root, ids))

    images, objects, problems = [], [], []
    with ThreadPoolExecutor(LIST_THREADS) as pool:
        for found in pool.map(read, photos):
            for one in found:
                if isinstance(one, Problem):
                    problems.append(one)
                else:
                    images.append(one[0])
                    objects += one[1]
    categories = [(number, name) for name, number in ids.items()]
    return Listing(categories, images, objects, problems, exhaustive=False)


def _read_lists(place: Place, split: str) -> tuple[dict[str, int], list[str]]:
    """Return the categories' ids by name, and the split's photos."""
    ids: dict[str, int] = {}
    photos: set[str] = set()
    try:
        groups = json.loads(place.read())
        for group in groups.values():
            for of_object, entry in group["object"].items():
                for part, lists in entry["part"].items():
                    name = f"{of_object}:{part}"
                    if name == LEFT_OUT or not (lists["train"] and lists["val"]):
                        continue
                    ids[name] = len(ids) + 1
                    photos.update(lists[split])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            "not PASCAL-Part's lists",
            place.uri,
            repr(error),
            "{group: {object: {name: {part: {name: {train: [...], val: [...]}}}}}}",
        ) from error
    return ids, sorted(photos)


def _read_photo(
    image_id: str, root: Place, ids: Mapping[str, int]
) -> Iterator[tuple[ImageRow, list[ObjectRow]] | Problem]:
    image = root.below(f"JPEGImages/{image_id}.jpg")
    place = root.below(f"{ANNOTATIONS}/{image_id}.json")
    photo = check_image(image, image_id)
    if isinstance(photo, Problem):
        yield photo
        return
    try:
        for number, entry in enumerate(json.loads(place.read())["object"]):
            runs: defaultdict[int, list[Any]] = defaultdict(list)
            for part in entry["parts"]:
                category_id = ids.get(f"{entry['name']}:{part['name']}")
                if category_id is not None:
                    runs[category_id] += [drawn_runs(rle, photo.size) for rle in part["mask"]]
            if any(runs.values()):
                yield cut_out(photo, f"{image_id}@{number}", _box(entry), runs)
    except MissingFile as error:
        yield Problem(image_id, place.uri, "missing-mask", error.got)
    except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        yield Problem(image_id, place.uri, "bad-annotation", repr(error))


def _box(entry: Mapping[str, Any]) -> Box:
    left, top, right, bottom = (
        int(entry["bndbox"][side]) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    return left, top, right, bottom
