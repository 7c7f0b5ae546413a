"""Turn an annotation as written in a job into one that is checked and in memory."""

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from pycocotools import mask as coco_mask

from model.segmenter import Drawn
from schemas.errors import BadReference
from schemas.reference import (
    Annotation,
    Box,
    CocoAnnotation,
    MaskFile,
    Points,
    Polygons,
    Rle,
    Scribbles,
)

Read = Callable[[str], bytes]
"""Returns the bytes of a URI."""


def draw(annotation: Annotation, size_HW: tuple[int, int], read: Read, where: str) -> Drawn:
    """Return a mask of size_HW, bool and not empty, or geometry that meets the image.

    Raises BadReference: an empty mask, another size, an annotation outside the image, an
    annotation id that the COCO file lacks.
    """
    if isinstance(annotation, CocoAnnotation):
        annotation = _from_coco(read(annotation.uri), annotation, where)
    match annotation:
        case MaskFile():
            mask_HW = _read_mask(read(annotation.uri), annotation, where)
        case Rle():
            mask_HW = _decode_rle(annotation, where)
        case Polygons():
            mask_HW = _fill(annotation, size_HW)
        case Box() | Points() | Scribbles():
            _check_inside(annotation, size_HW, where)
            return annotation
        case CocoAnnotation():
            raise AssertionError("a COCO annotation was replaced above")
    if mask_HW.shape != size_HW:
        raise BadReference(
            "a reference mask has another size than its image",
            where,
            f"a mask of {mask_HW.shape[1]} x {mask_HW.shape[0]}",
            f"{size_HW[1]} x {size_HW[0]}, the displayed size of the image",
        )
    if not mask_HW.any():
        raise BadReference(
            "a reference mask is empty", where, "no foreground pixel", "at least one in the image"
        )
    return mask_HW


def _read_mask(data: bytes, annotation: MaskFile, where: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as image:
            values = np.asarray(image)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise BadReference(
            "a reference mask cannot be read", where, f"{annotation.uri}: {error}", "a PNG"
        ) from error
    if values.ndim == 3:
        # Colour masks: any colour is foreground; alpha says nothing about the object.
        values = values[..., :3].max(axis=2)
    if annotation.value is None:
        return values != 0
    if not (values == annotation.value).any():
        found = ", ".join(str(value) for value in np.unique(values)[:20])
        raise BadReference(
            "a reference mask lacks the value asked for",
            where,
            f"values {found} in {annotation.uri}",
            f"some pixels of value {annotation.value}",
        )
    return values == annotation.value


def _decode_rle(annotation: Rle, where: str) -> np.ndarray:
    height, width = annotation.size
    if isinstance(annotation.counts, str):
        rle: Any = {"size": [height, width], "counts": annotation.counts.encode()}
    else:
        if sum(annotation.counts) != height * width or min(annotation.counts) < 0:
            raise BadReference(
                "a reference RLE does not fill its size",
                where,
                f"runs of {sum(annotation.counts)} pixels",
                f"{height} x {width} = {height * width}",
            )
        runs: Any = {"size": [height, width], "counts": list(annotation.counts)}
        rle = coco_mask.frPyObjects(runs, height, width)
    try:
        return coco_mask.decode(rle).astype(bool)
    except ValueError as error:
        raise BadReference(
            "a reference RLE cannot be decoded", where, str(error), "COCO compressed counts"
        ) from error


def _fill(annotation: Polygons, size_HW: tuple[int, int]) -> np.ndarray:
    polygons: Any = [list(polygon) for polygon in annotation.polygons]
    runs = coco_mask.frPyObjects(polygons, *size_HW)
    return coco_mask.decode(coco_mask.merge(runs)).astype(bool)


def _check_inside(
    annotation: Box | Points | Scribbles, size_HW: tuple[int, int], where: str
) -> None:
    """Points and strokes must lie in the image; a box must overlap it."""
    height, width = size_HW
    match annotation:
        case Box(xyxy=(left, top, right, bottom)):
            outside = left >= width or top >= height or right <= 0 or bottom <= 0
            got = f"the box {annotation.xyxy}"
        case Points(points=points):
            bad = [(x, y) for x, y in points if not (0 <= x < width and 0 <= y < height)]
            outside, got = bool(bad), f"the points {bad[:5]}"
        case Scribbles(strokes=strokes):
            corners = [point for stroke in strokes for point in stroke]
            bad = [(x, y) for x, y in corners if not (0 <= x < width and 0 <= y < height)]
            outside, got = bool(bad), f"the stroke corners {bad[:5]}"
    if outside:
        raise BadReference(
            "a reference annotation lies outside its image",
            where,
            got,
            f"0 <= x < {width} and 0 <= y < {height}",
        )


def _from_coco(data: bytes, asked: CocoAnnotation, where: str) -> Polygons | Rle:
    """Find one annotation of an instances JSON by its id."""
    try:
        entries = json.loads(data)["annotations"]
        found = next((a for a in entries if a["id"] == asked.annotation_id), None)
    except (ValueError, KeyError, TypeError) as error:
        raise BadReference(
            "a COCO file cannot be read", where, f"{asked.uri}: {error!r}", "an instances JSON"
        ) from error
    if found is None:
        raise BadReference(
            "a COCO file lacks the annotation asked for",
            where,
            f"{len(entries)} annotations in {asked.uri}, none with id {asked.annotation_id}",
            "the id of one of them",
        )
    segmentation = found["segmentation"]
    if isinstance(segmentation, dict):
        return Rle.model_validate({"type": "rle", **segmentation})
    return Polygons.model_validate({"type": "polygon", "polygons": segmentation})
