"""Stream a commit into one COCO instances JSON, in memory that no number of images increases.

The file follows from the commit alone: exporting it again gives the same bytes. Numbers and names:
`pipeline.export.labels`. An image in which every category is empty is in the file, without
annotations; one that was rejected is in the list beside it, and in the file where asked.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from shutil import copyfileobj
from typing import Any, BinaryIO

from pipeline.export.labels import Image, LabelledImage, Labels, Mask, RejectedImage
from pipeline.export.polygons import Outlines
from pipeline.export.rejected import REJECTED, Exported, labelled_only, listing_rejected
from pipeline.export.selection import Selection
from pipeline.storage.place import Place
from pipeline.storage.stream_out import stream_out
from schemas.job.reference import Category
from schemas.job.storage import Storage

ALL = Selection()
Segment = Callable[[Mask, tuple[int, int]], Any]


def export_coco(
    output_uri: str,
    storage: Storage,
    to: str,
    selection: Selection = ALL,
    *,
    outlines: Outlines | None = None,
    with_rejected: bool = False,
) -> Exported:
    """Write the labels committed below output_uri to the file `to`, whole or not at all.

    Masks are run lengths, or the polygons of `outlines`. The rejected images are listed in
    `<to>.rejected.json`. A share has the ids that its images and annotations have in the whole.
    Raises BadInput for a selection that the labels do not have, BadStorage: no commit, damaged
    parts, a file that cannot be written.
    """
    labels = Labels.open(output_uri, storage, selection)
    exported = Exported()
    beside = Place.open(f"{to.removesuffix('.json')}.{REJECTED}", storage)
    with (
        stream_out(Place.open(to, storage)) as file,
        listing_rejected(labels, beside, exported) as counted,
        # The annotations go straight out; of the two lists, that of the images is the short one.
        tempfile.TemporaryFile() as images,
    ):
        file.write(_opening(labels))
        found = counted(labels.images())
        wanted = found if with_rejected else labelled_only(found)
        _write_lists(wanted, file, images, outlines.between_pixels if outlines else _runs)
        file.write(b'],\n"images":[')
        images.seek(0)
        copyfileobj(images, file)
        file.write(b"]}\n")
    return exported


def _opening(labels: Labels) -> bytes:
    """Return all that precedes the annotations."""
    commit = labels.commit
    untrained = "Untrained weights made these masks: they mean nothing."
    info = {
        "description": untrained if commit.random_weights else "Labels made by vrp-label.",
        "fingerprint": commit.fingerprint,
        "model_fingerprint": labels.identity.model_fingerprint,
        "random_weights": list(commit.random_weights),
        "counts": commit.counts.model_dump(),
    }
    categories = [_category(category) for category in labels.categories]
    head = {"info": info, "licenses": [], "categories": categories}
    return json.dumps(head).removesuffix("}").encode() + b',\n"annotations":['


def _category(category: Category) -> dict[str, Any]:
    # pycocotools looks every category's up. Its own name, as RF-DETR leaves out those of "none".
    return {"id": category.id, "name": category.name, "supercategory": category.name}


def _write_lists(
    found: Iterator[Image],
    annotations: BinaryIO,
    images: BinaryIO,
    segment: Segment,
) -> None:
    """Write both lists' entries."""
    first_image = first_mask = True
    for image in found:
        images.write(_line(_image(image), first=first_image))
        first_image = False
        if isinstance(image, RejectedImage):
            continue
        for mask in image.masks:
            entry = _annotation(image, mask, segment(mask, image.size_HW))
            annotations.write(_line(entry, first=first_mask))
            first_mask = False


def _line(value: dict[str, Any], first: bool) -> bytes:
    return (b"\n" if first else b",\n") + json.dumps(value, allow_nan=False).encode()


def _image(image: Image) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": image.number, "file_name": image.file_name}
    if isinstance(image, RejectedImage):
        # No size is known of a file that could not be read; readers ask for numbers.
        return {**entry, "height": 0, "width": 0, "coco_url": image.uri, "rejected": image.reason}
    height, width = image.size_HW
    entry |= {"height": height, "width": width, "coco_url": image.uri}
    if image.exif_orientation != 1:
        entry["exif_orientation"] = image.exif_orientation
    return entry


def _runs(mask: Mask, size_HW: tuple[int, int]) -> dict[str, Any]:
    return {"size": list(size_HW), "counts": mask.rle_counts}


def _annotation(image: LabelledImage, mask: Mask, segmentation: Any) -> dict[str, Any]:
    return {
        "id": mask.number,
        "image_id": image.number,
        "category_id": mask.category.id,
        "segmentation": segmentation,
        "bbox": mask.box_xywh,
        "area": mask.area_px,
        "iscrowd": 0,
        "score": mask.score,
    }
