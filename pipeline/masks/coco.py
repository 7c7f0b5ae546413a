"""Read COCO instances: what of a file can be used, and by name what cannot."""

import json
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.masks.runs import MOST_PX, filled, runs_of
from schemas.errors import BadInput

Entry = dict[str, Any]

Document = dict[str, list[Entry]]

NEEDED_KEYS: Mapping[str, Sequence[str]] = {
    "images": ("id", "file_name", "height", "width"),
    "annotations": ("image_id", "category_id"),
    "categories": ("id", "name"),
}

_SPACE = re.compile(r"[ \t\n\r]*")
_WANTED = "lists images, annotations, categories"
_TRIANGLE = 6  # numbers: x and y of three corners


@dataclass(frozen=True)
class PassedOver:
    """An entry that cannot be used: where it stands, and what is wrong with it."""

    where: str
    message: str
    reason: Literal["bad-annotation", "unknown-category", "duplicate"] = "bad-annotation"
    entry_id: object = None
    image_id: object = None
    category_id: object = None

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True)
class Instances:
    """An instances file: its entries that can be used, and those that were passed over.

    Every annotation kept is of an image and of a category that are listed. Whether its mask can be
    drawn is found by drawing it: `drawn_runs`.
    """

    uri: str
    document: Document
    passed_over: Sequence[PassedOver]


def read_instances(
    data: bytes, uri: str, needed: Mapping[str, Sequence[str]] = NEEDED_KEYS
) -> Instances:
    """Return the entries of a JSON file that have the needed keys and make sense.

    Raises BadInput for another kind of file, and where no image or no category can be used.
    """
    try:
        document = json.loads(_text(data))
    except (ValueError, RecursionError) as error:
        raise _not_coco(uri, repr(error)) from error
    if not isinstance(document, dict):
        raise _not_coco(uri, f"{document!r:.80}")
    for name in needed:
        if not isinstance(document.get(name), list):
            raise _not_coco(uri, f"no list {name!r}")
    passed: list[PassedOver] = []
    images = _kept(document, "images", needed, passed)
    categories = _kept(document, "categories", needed, passed)
    for name, kept in (("images", images), ("categories", categories)):
        if document[name] and not kept:
            raise _not_coco(uri, f"{passed[-1]}; none of {len(document[name])} {name} can be used")
    of_images, of_categories = {e["id"] for e in images}, {e["id"] for e in categories}
    # PACO's first version lists the categories of parts apart.
    if "part_categories" in document:
        of_categories |= {e["id"] for e in _kept(document, "part_categories", needed, passed)}
    annotations = []
    for number, entry in enumerate(document["annotations"]):
        if fault := _annotation_fault(entry, needed["annotations"], of_images, of_categories):
            passed.append(_passed_over("annotations", number, entry, *fault))
        else:
            annotations.append(entry)
    lists = {"images": images, "categories": categories, "annotations": annotations}
    return Instances(uri, document | lists, passed)


def read_images(data: bytes) -> object:
    """Return the value of "images" as it stands, None without one. Raises ValueError.

    Stops reading behind that list: the annotations, by far the largest part of COCO's own files and
    written after it, are never parsed.
    """
    text, decoder = _text(data), json.JSONDecoder()

    def skip(position: int, character: str) -> int:
        position = _after_space(text, position)
        if text[position : position + 1] != character:
            raise ValueError(f"no {character!r} at character {position}")
        return position + 1

    position = skip(0, "{")
    try:
        while True:
            key, position = decoder.raw_decode(text, skip(position, '"') - 1)
            value, position = decoder.raw_decode(text, _after_space(text, skip(position, ":")))
            if key == "images":
                return value
            position = _after_space(text, position)
            if text[position : position + 1] == "}":
                return None
            position = skip(position, ",")
    except RecursionError as error:
        raise ValueError(str(error)) from error


def drawn_runs(segmentation: Any, size_HW: tuple[int, int]) -> Any:
    """Return the COCO runs of an annotation's polygons or RLE. Raises ValueError for neither."""
    try:
        if isinstance(segmentation, dict):
            if tuple(segmentation["size"]) != size_HW:
                raise ValueError(f"an RLE of size {segmentation['size']}, of an image {size_HW}")
            return runs_of(segmentation["counts"], size_HW)
        # pycocotools takes four numbers for a box, so anything short of a triangle is kept from it.
        polygons = [polygon for polygon in segmentation or () if not _is_short(polygon)]
        if not polygons:
            raise ValueError("no polygon of three corners" if segmentation else "no segmentation")
        return filled(polygons, size_HW)
    except KeyError as error:
        raise ValueError(f"an RLE without {error}") from error
    except (TypeError, IndexError, OverflowError) as error:
        raise ValueError(f"neither polygons nor an RLE: {segmentation!r:.60}") from error


def short_polygons(segmentation: Any) -> int:
    """Return how many polygons of an annotation are left out: they have less than three corners."""
    return sum(map(_is_short, segmentation)) if isinstance(segmentation, list) else 0


def _is_short(polygon: Any) -> bool:
    if not isinstance(polygon, list):
        return False
    return len(polygon) < _TRIANGLE and all(isinstance(one, int | float) for one in polygon)


def _text(data: bytes) -> str:
    """Return JSON's text, in any Unicode encoding, with or without a byte order mark."""
    text = data.decode(json.detect_encoding(data))
    return text.removeprefix("\ufeff")


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position


def _kept(
    document: Document, name: str, needed: Mapping[str, Sequence[str]], passed: list[PassedOver]
) -> list[Entry]:
    """Return a list's usable entries, each id once; the others go to `passed`."""
    kept: dict[object, Entry] = {}
    for number, entry in enumerate(document[name]):
        keys = needed.get(name, needed["categories"])
        fault = next(_entry_faults(entry, keys, name), None)
        if fault:
            passed.append(_passed_over(name, number, entry, fault))
        elif (first := kept.setdefault(entry["id"], entry)) is not entry:
            message = f"the id is listed before, as {_name(first)}"
            passed.append(_passed_over(name, number, entry, message, "duplicate"))
    return list(kept.values())


def _entry_faults(entry: Any, needed: Sequence[str], name: str) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"no object: {entry!r:.60}"
        return
    if missing := [key for key in needed if key not in entry]:
        yield f"lacks {', '.join(missing)}"
    elif not _is_id(entry["id"], name):
        yield f"id {_shown(entry['id'])} is not a whole number"
    for key in ("file_name", "coco_url", "name"):
        if key in needed and not (isinstance(entry.get(key), str) and entry[key]):
            yield f"{key} {entry.get(key)!r:.60} is not text"
    if "neg_category_ids" in needed and not isinstance(entry.get("neg_category_ids"), list):
        yield f"neg_category_ids {entry.get('neg_category_ids')!r:.60} is no list"
    if "height" in needed and not _is_size(entry.get("height"), entry.get("width")):
        yield f"height {entry.get('height')!r:.40}, width {entry.get('width')!r:.40}"


def _is_id(value: object, name: str) -> bool:
    # Some tools name images instead of numbering them.
    if name == "images" and isinstance(value, str):
        return bool(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _is_size(height: object, width: object) -> bool:
    if not (isinstance(height, int) and isinstance(width, int)):
        return False
    return height > 0 and width > 0 and height * width <= MOST_PX


def _annotation_fault(
    entry: Any, needed: Sequence[str], images: Container[object], categories: Container[object]
) -> tuple[str, str] | None:
    """Return what is wrong with an annotation apart from its mask, and the reason's code."""
    if not isinstance(entry, dict):
        return f"no object: {entry!r:.60}", "bad-annotation"
    if missing := [key for key in needed if key not in entry]:
        return f"lacks {', '.join(missing)}", "bad-annotation"
    if not _listed(entry["image_id"], images):
        return f"image_id {_shown(entry['image_id'])} is of no listed image", "bad-annotation"
    if not _listed(entry["category_id"], categories):
        category_id = _shown(entry["category_id"])
        return f"category_id {category_id} is not in the list of categories", "unknown-category"
    if entry.get("iscrowd", 0) not in (0, 1, None):
        return f"iscrowd {_shown(entry['iscrowd'])}, which is neither 0 nor 1", "bad-annotation"
    return None


def _listed(number: object, numbers: Container[object]) -> bool:
    # NaN and lists cannot be looked up; true and false would be found as 1 and 0.
    return (
        isinstance(number, int | str | float) and not isinstance(number, bool) and number in numbers
    )


def _shown(value: object) -> str:
    if isinstance(value, str):
        return f"{json.dumps(value)[:60]} (text)"
    return f"{value!r:.60}"


def _name(entry: Entry) -> str:
    return repr(entry.get("file_name") or entry.get("name") or entry.get("coco_url"))[:80]


def _passed_over(
    name: str, number: int, entry: Any, message: str, reason: Any = "bad-annotation"
) -> PassedOver:
    values = entry if isinstance(entry, dict) else {}
    entry_id = values.get("id")
    where = f"{name}[{number}]" + ("" if entry_id is None else f" (id {entry_id!r:.40})")
    image_id = values.get("image_id") if name == "annotations" else entry_id
    return PassedOver(where, message, reason, entry_id, image_id, values.get("category_id"))


def _not_coco(uri: str, got: str) -> BadInput:
    return BadInput("not a COCO instances file", uri, got, _WANTED)
