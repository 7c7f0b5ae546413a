"""Turn an annotation as written in a job into one that is checked and in memory."""

import io
import json
from collections.abc import Callable

import numpy as np
from PIL import Image, UnidentifiedImageError
from pycocotools import mask as coco_mask

from model.segmenter import Drawn
from pipeline.inputs.decode import DAMAGE
from pipeline.masks.runs import filled, runs_of
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
            mask_HW = _read_mask(read(annotation.uri), annotation, size_HW, where)
        case Rle():
            mask_HW = _decode_rle(annotation, size_HW, where)
        case Polygons():
            mask_HW = _fill(annotation, size_HW, where)
        case Box() | Points() | Scribbles():
            _check_inside(annotation, size_HW, where)
            return annotation
        case CocoAnnotation():
            raise AssertionError("a COCO annotation was replaced above")
    _check_size(mask_HW.shape, size_HW, where)
    if not mask_HW.any():
        raise BadReference(
            "a reference mask is empty", where, "no foreground pixel", "at least one in the image"
        )
    return mask_HW


def _read_mask(
    data: bytes, annotation: MaskFile, size_HW: tuple[int, int], where: str
) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as image:
            # Before decoding: a small file may claim billions of pixels.
            _check_size((image.height, image.width), size_HW, where)
            values = np.asarray(image)
    except (*DAMAGE, UnidentifiedImageError, Image.DecompressionBombError) as error:
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


def _check_size(found_HW: tuple[int, ...], size_HW: tuple[int, int], where: str) -> None:
    if found_HW != size_HW:
        raise BadReference(
            "a reference mask has another size than its image",
            where,
            f"a mask of {found_HW[1]} x {found_HW[0]}",
            f"{size_HW[1]} x {size_HW[0]}, the displayed size of the image",
        )


def _decode_rle(annotation: Rle, size_HW: tuple[int, int], where: str) -> np.ndarray:
    # Before decoding: the image's size was decoded already, an annotation may claim any.
    _check_size(annotation.size, size_HW, where)
    try:
        return coco_mask.decode(runs_of(annotation.counts, size_HW)).astype(bool)
    except (ValueError, OverflowError) as error:
        raise BadReference(
            "a reference RLE does not fill its size", where, str(error), "COCO counts of its size"
        ) from error


def _fill(annotation: Polygons, size_HW: tuple[int, int], where: str) -> np.ndarray:
    try:
        return coco_mask.decode(filled(annotation.polygons, size_HW)).astype(bool)
    except ValueError as error:
        raise BadReference(
            "a reference polygon lies far outside its image", where, str(error), "pixels of it"
        ) from error


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
    except (ValueError, KeyError, TypeError, RecursionError) as error:
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
    try:
        segmentation = found["segmentation"]
        if isinstance(segmentation, dict):
            return Rle.model_validate({"type": "rle", **segmentation})
        return Polygons.model_validate({"type": "polygon", "polygons": segmentation})
    except (KeyError, ValueError) as error:
        raise BadReference(
            "a COCO annotation without a mask", where, str(error), "polygons or run lengths"
        ) from error
