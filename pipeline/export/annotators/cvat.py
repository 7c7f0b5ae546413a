"""Stream a commit into one XML file of CVAT ("CVAT for images 1.1"), its masks pixel for pixel.

Written here, as datumaro's writer holds all images; its reader is what the tests read it with.
"""

from typing import Any
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

import numpy as np

from pipeline.export.labels import LabelledImage, Labels, Mask
from pipeline.export.rejected import REJECTED, Exported, labelled_only, listing_rejected
from pipeline.export.safe_name import safe_name
from pipeline.export.selection import Selection
from pipeline.masks.runs import encode_rle, run_lengths
from pipeline.storage.place import Place
from pipeline.storage.stream_out import stream_out
from schemas.job.storage import Storage

NONE = AttributesImpl({})


def export_cvat(output_uri: str, storage: Storage, to: str, selection: Selection) -> Exported:
    """Write the labels to the file `to`.

    Raises BadInput for a name that XML cannot hold, and as `export_coco`, BadStorage.
    """
    labels = Labels.open(output_uri, storage, selection)
    exported = Exported()
    beside = Place.open(f"{to.removesuffix('.xml')}.{REJECTED}", storage)
    with (
        stream_out(Place.open(to, storage)) as file,
        listing_rejected(labels, beside, exported) as counted,
    ):
        xml = XMLGenerator(file, "utf-8", short_empty_elements=True)
        xml.startDocument()
        xml.startElement("annotations", NONE)
        _text(xml, "version", "1.1")
        _write_head(xml, labels)
        for image in labelled_only(counted(labels.images())):
            _write_image(xml, image)
        xml.endElement("annotations")
        xml.endDocument()
    return exported


def _write_head(xml: XMLGenerator, labels: Labels) -> None:
    for name in ("meta", "task", "labels"):
        xml.startElement(name, NONE)
    for category in labels.categories:
        xml.startElement("label", NONE)
        _text(xml, "name", category.name)
        _text(xml, "type", "mask")
        _text(xml, "attributes", "")
        xml.endElement("label")
    for name in ("labels", "task", "meta"):
        xml.endElement(name)


def _write_image(xml: XMLGenerator, image: LabelledImage) -> None:
    height, width = image.size_HW
    name = safe_name(image.file_name)
    frame = {"id": image.number, "name": name, "width": width, "height": height}
    xml.characters("\n")
    xml.startElement("image", _attributes(frame))
    for mask in image.masks:
        xml.characters("\n")
        xml.startElement("mask", _attributes(_mask(mask, image.size_HW)))
        xml.endElement("mask")
    xml.endElement("image")


def _mask(mask: Mask, size_HW: tuple[int, int]) -> dict[str, Any]:
    left, top, width, height = (int(side) for side in mask.box_xywh)
    inside_hw = mask.pixels(size_HW)[top : top + height, left : left + width]
    # CVAT counts along the rows of the box; COCO's runs go down the columns.
    runs = run_lengths(encode_rle(np.ascontiguousarray(inside_hw.T))["counts"])
    return {
        "label": mask.category.name,
        "source": "auto",
        "occluded": 0,
        "rle": ", ".join(str(run) for run in runs),
        "left": left,
        "top": top,
        "width": width,
        "height": height,
        "z_order": 0,
    }


def _attributes(values: dict[str, Any]) -> AttributesImpl:
    return AttributesImpl({name: str(value) for name, value in values.items()})


def _text(xml: XMLGenerator, name: str, text: str) -> None:
    xml.startElement(name, NONE)
    xml.characters(text)
    xml.endElement(name)
