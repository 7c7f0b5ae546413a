"""Stream a commit into one COCO instances JSON, in memory that no number of images increases.

The file follows from the commit alone: exporting it again gives the same bytes. Image ids are
COCO's own for a COCO source; else they count from 1 in the commit's order, so they stay when a
collection grows at its end. `file_name` is the image's id, or its file's name for a COCO source.
Images that were rejected are not in the file; an image in which every
category is empty is, without annotations.
"""

import json
import tempfile
from collections.abc import Iterator
from shutil import copyfileobj
from typing import Any, BinaryIO

import pyarrow as pa

from pipeline.output.committed import read_all_rows, read_committed, read_labels
from pipeline.output.share import WHOLE, Share, cut_commit
from pipeline.storage.place import Place
from pipeline.storage.stream_out import stream_out
from schemas.commit import Commit, Counts, Identity
from schemas.errors import BadInput, BadStorage
from schemas.storage import Storage

COLUMNS = [
    "image_id", "uri", "height", "width", "category_id", "status", "rle_counts", "box_xywh",
    "area_px", "score", "instance_id",
]  # fmt: skip


def export_coco(
    output_uri: str, storage: Storage, to: str, *, instances: bool = False, share: Share = WHOLE
) -> Counts:
    """Write the labels committed below output_uri to the file `to`, whole or not at all.

    An annotation is an image's whole category, or, with `instances`, one object. A share has the
    ids that its images and annotations have in the whole. Raises BadInput for instances that no job
    made, BadStorage: no commit, damaged parts, a file that cannot be written.
    """
    output = Place.open(output_uri, storage)
    whole, identity = read_committed(output)
    cut = cut_commit(whole, share)
    commit, before = cut.commit, cut.before
    if instances:
        _check_instances(identity, output_uri)
    tables = (read_all_rows if instances else read_labels)(output, commit)
    rows = _number(tables, identity.source == "coco", before.with_labels)
    masks_before = before.instances if instances else before.labelled
    with (
        stream_out(Place.open(to, storage)) as file,
        # The annotations go straight out; of the two lists, that of the images is the short one.
        tempfile.TemporaryFile() as images,
    ):
        file.write(_opening(commit, identity))
        found = _write_lists(rows, file, images, instances=instances, masks_before=masks_before)
        file.write(b'],\n"images":[')
        images.seek(0)
        copyfileobj(images, file)
        file.write(b"]}\n")
        counts = commit.counts
        wanted = (counts.with_labels, counts.instances if instances else counts.labelled)
        if found != wanted:
            raise BadStorage(
                "a commit whose parts hold something else than it counts",
                output_uri,
                f"{found[0]} images and {found[1]} masks",
                f"{wanted[0]} and {wanted[1]}",
            )
    return commit.counts


def _check_instances(identity: Identity, output_uri: str) -> None:
    if "instances.by" not in identity.fields:
        raise BadInput(
            "labels without single objects",
            output_uri,
            "one mask for each category of an image",
            "labels of a job with a key `instances`, or an export without --instances",
        )


def _opening(commit: Commit, identity: Identity) -> bytes:
    """Return all that precedes the annotations."""
    untrained = "Untrained weights made these masks: they mean nothing."
    info = {
        "description": untrained if commit.random_weights else "Labels made by vrp-label.",
        "fingerprint": commit.fingerprint,
        "model_fingerprint": identity.model_fingerprint,
        "random_weights": list(commit.random_weights),
        "counts": commit.counts.model_dump(),
    }
    categories = [category.model_dump() for category in commit.categories]
    head = {"info": info, "licenses": [], "categories": categories}
    return json.dumps(head).removesuffix("}").encode() + b',\n"annotations":['


def _number(
    tables: Iterator[pa.Table], own_ids: bool, count: int
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Yield each row with its image's `number` and `file_name`, and whether the image is new.

    Numbers follow on `count`.
    """
    for table in tables:
        numbers: dict[str, int] = {}  # an image lies in one unit, so in one part
        for row in table.select(COLUMNS).to_pylist():
            image_id = row["image_id"]
            new = image_id not in numbers
            if new:
                count += 1
                numbers[image_id] = _coco_id(image_id) if own_ids else count
            file_name = row["uri"].rpartition("/")[2] if own_ids else image_id
            yield {**row, "number": numbers[image_id], "file_name": file_name}, new


def _coco_id(image_id: str) -> int:
    try:
        return int(image_id)
    except ValueError as error:
        raise BadInput(
            "an image id that COCO tools cannot use",
            "images of a COCO source",
            image_id,
            "a number",
        ) from error


def _write_lists(
    rows: Iterator[tuple[dict[str, Any], bool]],
    annotations: BinaryIO,
    images: BinaryIO,
    *,
    instances: bool,
    masks_before: int,
) -> tuple[int, int]:
    """Write both lists' entries; return how many images and annotations there were.

    Annotations are numbered from masks_before + 1.
    """
    image_count = label_count = 0
    for row, new in rows:
        if new:
            images.write(_entry(_image(row), first=image_count == 0))
            image_count += 1
        if row["status"] == "labelled" and (row["instance_id"] is not None) == instances:
            label_count += 1
            entry = _annotation(masks_before + label_count, row)
            annotations.write(_entry(entry, first=label_count == 1))
    return image_count, label_count


def _entry(value: dict[str, Any], first: bool) -> bytes:
    return (b"\n" if first else b",\n") + json.dumps(value, allow_nan=False).encode()


def _image(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": row["number"],
        "file_name": row["file_name"],
        "height": row["height"],
        "width": row["width"],
        "coco_url": row["uri"],
    }


def _annotation(number: int, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": row["number"],
        "category_id": row["category_id"],
        "segmentation": {"size": [row["height"], row["width"]], "counts": row["rle_counts"]},
        "bbox": row["box_xywh"],
        "area": row["area_px"],
        "iscrowd": 0,
        "score": row["score"],
    }
