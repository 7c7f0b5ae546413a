"""Turn a COCO instances file into true masks that labels can be looked up in."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from posixpath import basename, splitext
from typing import Any

from pycocotools import mask as coco_mask

from pipeline.masks.coco import Entry, PassedOver, drawn_runs, read_instances, short_polygons
from pipeline.storage.place import Place
from schemas.errors import BadInput
from schemas.job.reference import Category
from schemas.job.storage import Storage

Runs = Any
"""A mask as pycocotools holds it: {"size": [H, W], "counts": bytes}; untyped in its stubs."""

ImageId = int | str
"""As the file numbers its images, or names them."""

Pair = tuple[ImageId, int]
"""An image of the file, and a category by the labels' id."""


RENUMBERED_NAMED = 10
"""Categories named in one line; COCO has 80, LVIS 1203."""


@dataclass(frozen=True)
class Truth:
    """True masks of images in which every object of the categories is annotated.

    Masks and crowds (pixels that count neither way) are unions, by COCO image id and by the
    labels' category id; a pair that is not among them is absent, unless it is `unknown`: annotated,
    and none of its annotations can be drawn. passed_over names what cannot be used of the file,
    renumbered the categories whose id is another one in the labels.
    """

    categories: frozenset[int]
    sizes: Mapping[ImageId, tuple[int, int]]  # height, width
    masks: Mapping[Pair, Runs]
    crowds: Mapping[Pair, Runs]
    images_by_name: Mapping[str, frozenset[ImageId]]
    unknown: frozenset[Pair] = frozenset()
    passed_over: tuple[str, ...] = ()
    renumbered: tuple[str, ...] = ()

    def remarks(self, most: int) -> tuple[str, ...]:
        """Say what differs in the file and what of it is not used; of the latter at most `most`."""
        said = []
        if self.renumbered:
            more = len(self.renumbered) - RENUMBERED_NAMED
            names = ", ".join(self.renumbered[:RENUMBERED_NAMED])
            rest = f" and {more} more" if more > 0 else ""
            said.append(f"categories are matched by name, not by id: {names}{rest}")
        if self.passed_over:
            count = len(self.passed_over)
            said.append(f"entries that cannot be used and are passed over: {count}, the first:")
            said += self.passed_over[:most]
        if len(self.passed_over) > most:
            said.append(f"… and {len(self.passed_over) - most} more")
        if self.unknown:
            said.append(
                "images and categories that are not judged, as they are annotated and none of "
                f"their annotations can be used: {len(self.unknown)}"
            )
        return tuple(said)

    def image(self, image_id: str) -> ImageId | None:
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

    Annotations that cannot be used are passed over and named; of an image and a category that has
    others, the others are its mask. by_coco_id: the labels' image ids are COCO's, as those of a
    COCO source are. Raises BadInput for a file of another kind, BadStorage for one that cannot be
    read.
    """
    instances = read_instances(Place.open(uri, storage).read(), uri)
    entries = instances.document["images"]
    sizes = {entry["id"]: (entry["height"], entry["width"]) for entry in entries}
    if by_coco_id:
        by_name = {str(number): frozenset({number}) for number in sizes}
    else:
        by_name = _by_file_name(entries)
    wanted = {category.name: category.id for category in categories}
    listed = instances.document["categories"]
    ids = {entry["id"]: wanted[entry["name"]] for entry in listed if entry["name"] in wanted}
    if not ids:
        raise BadInput(
            "ground truth of other categories",
            uri,
            ", ".join(sorted(entry["name"] for entry in listed)[:20]) or "no category",
            f"some of {', '.join(sorted(wanted)[:20])}",
        )
    passed = [str(entry) for entry in instances.passed_over]
    masks, crowds, broken = _unions(instances.document["annotations"], sizes, ids, passed)
    unknown = frozenset((broken | _meant(instances.passed_over, sizes, ids)) - masks.keys())
    renumbered = tuple(
        f"{entry['name']} (id {entry['id']} there, {ids[entry['id']]} in the labels)"
        for entry in listed
        if ids.get(entry["id"], entry["id"]) != entry["id"]
    )
    known = frozenset(ids.values())
    return Truth(known, sizes, masks, crowds, by_name, unknown, tuple(passed), renumbered)


def _by_file_name(entries: Sequence[Entry]) -> dict[str, frozenset[ImageId]]:
    found: defaultdict[str, set[ImageId]] = defaultdict(set)
    for entry in entries:
        for name in _names(entry["file_name"]):
            found[name].add(entry["id"])
    return {name: frozenset(numbers) for name, numbers in found.items()}


def _names(name: str) -> tuple[str, str, str]:
    stem, _ = splitext(name)
    return name, stem, basename(stem)


def _meant(
    entries: Iterable[PassedOver], sizes: Iterable[ImageId], ids: Mapping[int, int]
) -> set[Pair]:
    """Return the pairs that unusable annotations may be of: "1" may have meant the category 1.

    Without them, a label of that category would count as false.
    """
    images = {str(number): number for number in sizes}
    categories = {str(number): ours for number, ours in ids.items()}
    return {
        (images[str(entry.image_id)], categories[str(entry.category_id)])
        for entry in entries
        if str(entry.image_id) in images and str(entry.category_id) in categories
    }


def _unions(
    entries: Sequence[Entry],
    sizes: Mapping[ImageId, tuple[int, int]],
    ids: Mapping[int, int],
    passed: list[str],
) -> tuple[dict[Pair, Runs], dict[Pair, Runs], set[Pair]]:
    """Return the objects and the crowds of each image and category, and the pairs that lack some.

    ids: the file's categories to ours. What cannot be drawn is added to `passed`.
    """
    drawn: tuple[defaultdict[Pair, list[Runs]], ...] = (defaultdict(list), defaultdict(list))
    broken: set[Pair] = set()
    for number, entry in enumerate(entries):
        if entry["category_id"] not in ids:
            continue
        pair = (entry["image_id"], ids[entry["category_id"]])
        segmentation = entry.get("segmentation")
        where = f"annotation {entry.get('id', f'without an id, number {number}')!r:.60}"
        try:
            runs = drawn_runs(segmentation, sizes[entry["image_id"]])
        except ValueError as error:
            passed.append(f"{where}: {error}")
            broken.add(pair)
            continue
        drawn[bool(entry.get("iscrowd"))][pair].append(runs)
        if short := short_polygons(segmentation):
            passed.append(f"{where}: {short} of its polygons have less than three corners")
    masks, crowds = ({pair: coco_mask.merge(runs) for pair, runs in kind.items()} for kind in drawn)
    return masks, crowds, broken
