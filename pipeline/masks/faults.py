"""Say what is wrong with the masks of label rows: of one, and of objects against their category."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pycocotools import mask as coco_mask

from pipeline.masks.runs import COMPRESSED, run_lengths


def mask_fault(counts: str, size_HW: tuple[int, int], row: dict[str, object]) -> str | None:
    """Return what is wrong with a run-length mask: it must fill its image and match area and box.

    The text is checked before it is decoded: pycocotools writes where wrong runs lead it.
    """
    if not COMPRESSED.fullmatch(counts):
        return "not COCO compressed RLE"
    runs = run_lengths(counts)
    height, width = size_HW
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        return f"runs of {sum(runs)} pixels in an image of {height} x {width}"
    rle: Any = {"size": [height, width], "counts": counts.encode()}
    if int(coco_mask.area(rle)) != row["area_px"]:
        return f"an area of {int(coco_mask.area(rle))}, the row says {row['area_px']}"
    if coco_mask.toBbox(rle).tolist() != row["box_xywh"]:
        return f"a box of {coco_mask.toBbox(rle).tolist()}, the row says {row['box_xywh']}"
    return None


def check_objects(whole: pa.Table, objects: pa.Table) -> Iterator[str]:
    """Yield what is wrong with rows of single objects, given the rows of whole categories.

    Objects are numbered from 1 and lie inside their category's mask.
    """
    masks = {(row["image_id"], row["category_id"]): row for row in whole.to_pylist()}
    numbers: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for row in objects.to_pylist():
        key = (row["image_id"], row["category_id"])
        place = f"{row['image_id']}: category {row['category_id']}: object {row['instance_id']}"
        numbers[key].append(row["instance_id"])
        size_HW = (row["height"], row["width"])
        if fault := mask_fault(row["rle_counts"], size_HW, row):
            yield f"{place}: {fault}"
        elif key not in masks:
            yield f"{place}: no row for its category"
        elif mask_fault(masks[key]["rle_counts"], size_HW, masks[key]):
            continue  # named where the whole masks are checked
        elif (inside := _shared_px(row, masks[key])) != row["area_px"]:
            yield f"{place}: {row['area_px'] - inside} pixels outside its category's mask"
    for (image_id, category_id), found in numbers.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            yield f"{image_id}: category {category_id}: objects numbered {found}"


def _shared_px(*rows: dict[str, Any]) -> int:
    runs: list[Any] = [
        {"size": [row["height"], row["width"]], "counts": row["rle_counts"].encode()}
        for row in rows
    ]
    return int(coco_mask.area(coco_mask.merge(runs, intersect=True)))
