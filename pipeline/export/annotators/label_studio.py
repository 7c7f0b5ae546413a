"""Stream a commit into one file of Label Studio tasks, its masks as predictions to correct."""

import json
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

import numpy as np

from pipeline.export.extras import library
from pipeline.export.labels import LabelledImage, Labels, Mask
from pipeline.export.rejected import REJECTED, Exported, labelled_only, listing_rejected
from pipeline.export.selection import Selection
from pipeline.storage.place import Place
from pipeline.storage.stream_out import stream_out
from schemas.job.storage import Storage

EXTRA = "label-studio"
BRUSH = "label_studio_sdk.converter.brush"
CONFIG = "config.xml"


def export_label_studio(
    output_uri: str, storage: Storage, to: str, selection: Selection, images: str | None = None
) -> Exported:
    """Write the labels to the file `to`, and the project's labelling setup beside it.

    images: where Label Studio finds what `vrp export images` wrote; None: at the images' own URIs.
    Raises BadInput, BadStorage as `export_coco`.
    """
    brush = library(BRUSH, EXTRA)
    labels = Labels.open(output_uri, storage, selection)
    exported = Exported()
    stem = to.removesuffix(".json")
    with (
        stream_out(Place.open(to, storage)) as file,
        listing_rejected(labels, Place.open(f"{stem}.{REJECTED}", storage), exported) as counted,
    ):
        file.write(b"[")
        for place, image in enumerate(labelled_only(counted(labels.images()))):
            task = _task(image, labels, images, brush)
            file.write((b",\n" if place else b"\n") + json.dumps(task).encode())
        file.write(b"\n]\n")
    Place.open(f"{stem}.{CONFIG}", storage).replace(_config(labels))
    return exported


def _config(labels: Labels) -> bytes:
    lines = [
        "<View>",
        '  <Image name="image" value="$image" zoom="true"/>',
        '  <BrushLabels name="tag" toName="image">',
        *(f"    <Label value={quoteattr(c.name)}/>" for c in labels.categories),
        "  </BrushLabels>",
        "</View>",
    ]
    return "\n".join([*lines, ""]).encode()


def _task(image: LabelledImage, labels: Labels, images: str | None, brush: Any) -> dict[str, Any]:
    uri = image.uri if images is None else f"{images.rstrip('/')}/{quote(image.file_name)}"
    scores = [mask.score for mask in image.masks]
    prediction = {
        "model_version": labels.commit.fingerprint,
        "score": min(scores, default=0.0),  # the task's least certain mask, to sort tasks by
        "result": [_result(mask, image.size_HW, brush) for mask in image.masks],
    }
    data = {"image": uri, "file_name": image.file_name, "image_id": image.image_id}
    return {"data": data, "predictions": [prediction]}


def _result(mask: Mask, size_HW: tuple[int, int], brush: Any) -> dict[str, Any]:
    height, width = size_HW
    runs = brush.mask2rle(mask.pixels(size_HW).astype(np.uint8) * 255)
    return {
        "id": str(mask.number),
        "type": "brushlabels",
        "from_name": "tag",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "score": mask.score,
        "value": {"format": "rle", "rle": runs, "brushlabels": [mask.category.name]},
    }
