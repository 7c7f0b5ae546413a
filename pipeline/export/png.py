"""Turn a commit into one indexed PNG per image: each pixel's category, 0 where there is none.

Where masks overlap, a pixel belongs to the category of the greatest score (of equal ones, of the
smallest id). Nothing is drawn for a rejected image. Memory is that of one part.
"""

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from pipeline.export.palette import Legend, make_legend, read_palette
from pipeline.export.png_name import png_name
from pipeline.output.committed import read_committed, read_labels
from pipeline.storage.place import Place
from schemas.commit import Counts
from schemas.errors import BadInput, BadStorage
from schemas.storage import Storage

LEGEND = "legend.json"
WRITE_THREADS = 16  # PNGs of some 10 kB: they wait for storage
COLUMNS = ["image_id", "uri", "height", "width", "category_id", "rle_counts", "score"]

Row = dict[str, Any]


def export_png(output_uri: str, storage: Storage, to: str, palette: str = "voc") -> Counts:
    """Write the labels committed below output_uri as PNGs below the folder `to`.

    An image's PNG is named after its id (`pipeline.export.png_name`). Files are created, never
    replaced: an export cut short is finished by the same command, and so is one of a collection
    that grew. Raises BadInput for too many categories, a palette, unsafe names, or a folder that
    holds other files of these names; BadStorage as `export_coco`.
    """
    output = Place.open(output_uri, storage)
    commit, identity = read_committed(output)
    legend = make_legend(commit.categories, read_palette(palette, storage))
    folder = Place.open(to, storage)
    _create(folder.below(LEGEND), legend.describe(commit))

    def write(image: tuple[str, list[Row]]) -> None:
        name, rows = image
        _create(folder.below(name), draw(rows, legend))

    images = 0
    with ThreadPoolExecutor(WRITE_THREADS) as pool:
        for table in read_labels(output, commit):
            rows = table.select(COLUMNS).to_pylist()
            # All names of a part are checked before any of it is written.
            named = list(_named(rows, file_name=identity.source == "coco"))
            for _ in pool.map(write, named):
                images += 1
    if images != commit.counts.with_labels:
        raise BadStorage(
            "a commit whose parts hold something else than it counts",
            output_uri,
            f"{images} images",
            f"{commit.counts.with_labels}",
        )
    return commit.counts


def draw(rows: Sequence[Row], legend: Legend) -> bytes:
    """Return the PNG of one image's rows, at the image's size."""
    height, width = rows[0]["height"], rows[0]["width"]
    canvas_HW = np.zeros((height, width), np.uint8)
    # The last one painted stays.
    for row in sorted(rows, key=lambda row: (row["score"], -row["category_id"])):
        rle: Any = {"size": [height, width], "counts": row["rle_counts"].encode("ascii")}
        canvas_HW[coco_mask.decode(rle).astype(bool)] = legend.indices[row["category_id"]]
    image = Image.frombytes("P", (width, height), canvas_HW.tobytes())
    image.putpalette([channel for colour in legend.colours for channel in colour])
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _named(rows: Sequence[Row], *, file_name: bool) -> Iterator[tuple[str, list[Row]]]:
    """Yield each image's PNG and rows; an image's rows follow each other."""
    for image_id, own in groupby(rows, key=lambda row: row["image_id"]):
        found = list(own)
        yield png_name(found[0]["uri"].rpartition("/")[2] if file_name else image_id), found


def _create(png: Place, data: bytes) -> None:
    if not png.create(data):
        raise BadInput(
            "a file that is there already, with other contents",
            png.uri,
            "another export's file, or two images of one name",
            "a folder of its own for each export and palette",
        )
