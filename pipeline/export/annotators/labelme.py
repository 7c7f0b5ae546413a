"""Turn a commit into one labelme JSON per image, with its masks as polygons, to lie beside it.

`vrp export images` writes the images into the same folder. The polygons of one mask share a group.
"""

import json
from concurrent.futures import ThreadPoolExecutor

from pipeline.export.labels import LabelledImage, Labels
from pipeline.export.polygons import Outlines
from pipeline.export.rejected import REJECTED, Exported, labelled_only, listing_rejected
from pipeline.export.safe_name import FreeNames
from pipeline.export.selection import Selection
from pipeline.export.write import WRITE_THREADS, create, in_groups
from pipeline.storage.place import Place
from schemas.job.storage import Storage

VERSION = "5.5.0"  # of labelme, whose files these are like


def export_labelme(
    output_uri: str, storage: Storage, to: str, selection: Selection, outlines: Outlines
) -> Exported:
    """Write the labels below the folder `to`. Raises BadInput, BadStorage as `export_png`."""
    labels = Labels.open(output_uri, storage, selection)
    folder = Place.open(to, storage)
    exported, names = Exported(), FreeNames()
    names.takes(REJECTED)  # which an image `rejected.jpg` would have

    def write(file: tuple[str, bytes]) -> None:
        create(folder.below(file[0]), file[1])

    with (
        ThreadPoolExecutor(WRITE_THREADS) as pool,
        listing_rejected(labels, folder.below(REJECTED), exported) as counted,
    ):
        for group in in_groups(labelled_only(counted(labels.images()))):
            files = [(names.name(i.file_name, ".json"), _document(i, outlines)) for i in group]
            list(pool.map(write, files))
    return exported


def _document(image: LabelledImage, outlines: Outlines) -> bytes:
    shapes = [
        {
            "label": mask.category.name,
            "points": polygon.tolist(),
            "group_id": mask.number,
            "description": f"score {mask.score:.3f}",
            "shape_type": "polygon",
            "flags": {},
        }
        for mask in image.masks
        for polygon in outlines.of_pixels(mask, image.size_HW)
    ]
    document = {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": image.file_name.rpartition("/")[2],
        "imageData": None,
        "imageHeight": image.size_HW[0],
        "imageWidth": image.size_HW[1],
    }
    return json.dumps(document, indent=1).encode() + b"\n"
