"""Cut an object's box out of a photo: an image of its own, with the object's parts as masks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from pipeline.datasets.listing import ImageRow, ObjectRow, Problem

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in whole pixels of the photo; right and bottom lie outside."""


def cut_out(
    photo: ImageRow, name: str, box: Box, parts: Mapping[int, Sequence[Any]]
) -> tuple[ImageRow, list[ObjectRow]] | Problem:
    """Return the box as an image with one row per part; a box without pixels is a problem.

    parts: COCO runs of the photo's size by category id. What of a part lies outside the box is
    lost; a part that lies outside whole is unusable.
    """
    left, top = max(box[0], 0), max(box[1], 0)
    right, bottom = min(box[2], photo.width), min(box[3], photo.height)
    if left >= right or top >= bottom:
        message = f"the box {box} of a photo of {photo.width} x {photo.height}"
        return Problem(name, photo.image_uri, "bad-annotation", message)
    image = replace(
        photo,
        image_id=name,
        height=bottom - top,
        width=right - left,
        crop_xyxy=(left, top, right, bottom),
    )
    rows = []
    for category_id in sorted(parts):
        union: Any = coco_mask.merge(list(parts[category_id]))
        inside_HW = coco_mask.decode(union)[top:bottom, left:right]
        area_px = int(inside_HW.sum())
        if not area_px:
            rows.append(ObjectRow(name, category_id, 0, "unusable"))
            continue
        runs: Any = coco_mask.encode(np.asfortranarray(inside_HW))
        counts = runs["counts"].decode("ascii")
        rows.append(ObjectRow(name, category_id, area_px, "shown", mask_rle=counts))
    return image, rows
