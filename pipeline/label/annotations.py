"""Turn an annotation as written in a job into one that is checked and in memory."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from pycocotools import mask as coco_mask

from model.segmenter import Drawn
from pipeline.images.decode import DAMAGE, displayed, displayed_size, orientation_of
from pipeline.masks.coco import Entry, Instances, drawn_runs, read_instances, short_polygons
from pipeline.masks.inside import check_inside
from pipeline.masks.mask_file import MaskRead, described, named, read_mask, values_of
from pipeline.masks.runs import filled, runs_of
from schemas.errors import BadInput, BadReference
from schemas.job.reference import (
    Box,
    CocoAnnotation,
    MaskFile,
    Points,
    Polygons,
    Reference,
    Rle,
    Scribbles,
)

Read = Callable[[str], bytes]
"""Returns the bytes of a URI."""


class Files:
    """The files that references name: each is read once, a COCO file parsed once."""

    def __init__(self, read: Read) -> None:
        self.read = cache(read)
        self.instances: Callable[[str], Instances] = cache(
            lambda uri: read_instances(self.read(uri), uri)
        )


@dataclass(frozen=True)
class Understood:
    """An annotation in memory, and what it is understood to be."""

    drawn: Drawn
    said: str


def draw(reference: Reference, size_HW: tuple[int, int], files: Files, where: str) -> Understood:
    """Return a mask of size_HW, bool, neither empty nor full, or geometry that meets the image.

    Raises BadReference: an empty or full mask, another size, an annotation outside the image, one
    that the COCO file lacks or has for another image or category.
    """
    match reference.annotation:
        case MaskFile() as annotation:
            read = _read_mask(files.read(annotation.uri), annotation, size_HW, where)
        case Rle() as annotation:
            read = MaskRead(_decode_rle(annotation, size_HW, where))
        case Polygons() as annotation:
            read = MaskRead(_fill(annotation, size_HW, where))
        case CocoAnnotation() as annotation:
            read = _from_coco(annotation, reference, size_HW, files, where)
        case Box() | Points() | Scribbles() as annotation:
            check_inside(annotation, size_HW, where)
            return Understood(annotation, _geometry(annotation, size_HW))
    mask_HW = read.mask_HW
    _check_size(mask_HW.shape, size_HW, where)
    if not mask_HW.any():
        raise BadReference(
            "a reference mask is empty", where, "no foreground pixel", "at least one in the image"
        )
    if mask_HW.all():
        raise BadReference(
            "a reference mask covers the whole image",
            where,
            described(mask_HW, read.remarks),
            "an object with some background: black, transparent, or another number than `value`",
        )
    return Understood(mask_HW, described(mask_HW, read.remarks))


def _geometry(annotation: Box | Points | Scribbles, size_HW: tuple[int, int]) -> str:
    match annotation:
        case Box(xyxy=(left, top, right, bottom)):
            said = f"a box, x {left:g} to {right:g}, y {top:g} to {bottom:g}"
            height, width = size_HW
            if left < 0 or top < 0 or right > width or bottom > height:
                size = f"{width} wide and {height} high"
                said += (
                    f", beyond the edge of the image, {size}: are these left, top, right, bottom?"
                )
            return said
        case Points(points=points):
            return f"{len(points)} points"
        case Scribbles(strokes=strokes):
            return f"{len(strokes)} strokes"


def _read_mask(data: bytes, annotation: MaskFile, size_HW: tuple[int, int], where: str) -> MaskRead:
    try:
        with Image.open(io.BytesIO(data)) as image:
            # Pillow turns TIFF files itself.
            orientation = 1 if image.format == "TIFF" else orientation_of(image)
            height, width = displayed_size((image.height, image.width), orientation)
            # Before decoding: a small file may claim billions of pixels.
            _check_size((height, width), size_HW, where)
            image.load()
            if annotation.value is None:
                read = read_mask(image)
                return replace(read, mask_HW=displayed(read.mask_HW, orientation))
            values_HW = displayed(values_of(image), orientation)
    except (*DAMAGE, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise BadReference(
            "a reference mask cannot be read", where, f"{annotation.uri}: {error}", "a PNG"
        ) from error
    if not (values_HW == annotation.value).any():
        raise BadReference(
            "a reference mask lacks the value asked for",
            where,
            f"values {named(np.unique(values_HW))} in {annotation.uri}",
            f"some pixels of value {annotation.value}",
        )
    return MaskRead(values_HW == annotation.value)


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


def _from_coco(
    asked: CocoAnnotation,
    reference: Reference,
    size_HW: tuple[int, int],
    files: Files,
    where: str,
) -> MaskRead:
    """Draw one annotation of an instances JSON: of this image, in its size, of this category."""
    try:
        instances = files.instances(asked.uri)
    except BadInput as error:
        raise BadReference(
            "a COCO file cannot be read", where, f"{asked.uri}: {error.got}", "an instances JSON"
        ) from error
    found = _annotation(instances, asked, where)
    images = {entry["id"]: entry for entry in instances.document["images"]}
    names = {entry["id"]: entry["name"] for entry in instances.document["categories"]}
    image, name = images[found["image_id"]], names[found["category_id"]]
    what = f"annotation {asked.annotation_id} of {asked.uri}"
    if not _is_of(image, reference.image, images):
        raise BadReference(
            "a COCO annotation of another image",
            where,
            f"{what} is of image {image['id']}, {image['file_name']}",
            f"one of {reference.image}",
        )
    if name != reference.category:
        raise BadReference(
            "a COCO annotation of another category",
            where,
            f"{what} is a {name!r}",
            f"one of category {reference.category!r}",
        )
    if (image["height"], image["width"]) != size_HW:
        raise BadReference(
            "a COCO file that says another size of the image",
            where,
            f"{image['width']} x {image['height']} for {image['file_name']} in {asked.uri}",
            f"{size_HW[1]} x {size_HW[0]}, the displayed size of the image",
        )
    segmentation = found.get("segmentation")
    try:
        mask_HW = coco_mask.decode(drawn_runs(segmentation, size_HW)).astype(bool)
    except ValueError as error:
        raise BadReference(
            "a COCO annotation without a mask", where, f"{what}: {error}", "polygons or run lengths"
        ) from error
    short = short_polygons(segmentation)
    left_out = f"{short} polygons of less than three corners are left out"
    return MaskRead(mask_HW, (left_out,) if short else ())


def _annotation(instances: Instances, asked: CocoAnnotation, where: str) -> Entry:
    """Return the annotation of the id asked for. Raises BadReference: none, several, unusable."""
    number = asked.annotation_id
    entries = instances.document["annotations"]
    found = [entry for entry in entries if entry.get("id") == number]
    if len(found) == 1:
        return found[0]
    passed = [one for one in instances.passed_over if one.where.startswith("annotations")]
    if found:
        got = f"{len(found)} annotations of id {number} in {asked.uri}"
    elif unusable := [str(one) for one in passed if one.entry_id == number]:
        got = f"{asked.uri}: {unusable[0]}"
    else:
        got = f"{len(entries) + len(passed)} annotations in {asked.uri}, none with id {number}"
    raise BadReference(
        "a COCO file lacks the annotation asked for", where, got, "the id of one that can be used"
    )


def _is_of(entry: Entry, uri: str, images: Mapping[Any, Entry]) -> bool:
    """Tell whether an entry's file name is that of the image.

    A folder decides only between entries: a photo may have been moved out of its own.
    """
    path = PurePosixPath(uri.partition("?")[0])
    same_name = [one for one in images.values() if _file(one).name == path.name and _file(one).name]
    below = [one for one in same_name if path.parts[-len(_file(one).parts) :] == _file(one).parts]
    return entry in (below or same_name)


def _file(entry: Entry) -> PurePosixPath:
    return PurePosixPath(entry["file_name"].replace("\\", "/"))
