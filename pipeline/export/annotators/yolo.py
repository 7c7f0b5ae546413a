"""Turn a commit into a folder that YOLO trains on: a text file of polygons beside each image.

A line is one connected part of a mask. Names are flat, as readers of this layout look into no
folder: `a/1.jpg` is `a__1.jpg`. An image's split follows from its id, so none changes sides.
"""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from pipeline.export.image_files import COLUMNS, check_all_written, write_images
from pipeline.export.labels import LabelledImage, Labels
from pipeline.export.polygons import Outlines
from pipeline.export.rejected import REJECTED, Exported, labelled_only, listing_rejected
from pipeline.export.safe_name import FreeNames, safe_name
from pipeline.export.selection import Selection
from pipeline.export.write import WRITE_THREADS, create, in_groups
from pipeline.images.formats import has_image_suffix
from pipeline.storage.place import Place
from schemas.job.source import ParquetImages
from schemas.job.storage import Storage

SPLITS = ("train", "val")
# A quarter of a pixel, so that readers find the same one whether they cut or round.
INTO_PIXEL = 0.25


@dataclass(frozen=True)
class Yolo:
    """How the folder is made."""

    val_share: float = 0.2
    with_images: bool = True
    columns: ParquetImages = COLUMNS  # of a Parquet source


def export_yolo(
    output_uri: str, storage: Storage, to: str, selection: Selection, outlines: Outlines, yolo: Yolo
) -> Exported:
    """Write data.yaml, labels/<split>/, and images/<split>/ unless they are not wanted.

    Raises BadInput for a folder of another export or two images of one name, BadStorage for images
    that are gone.
    """
    labels = Labels.open(output_uri, storage, selection)
    folder = Place.open(to, storage)
    create(folder.below("data.yaml"), _data(labels, yolo))
    indices = {category.id: index for index, category in enumerate(labels.categories)}
    exported = Exported()

    def write(text: tuple[str, bytes]) -> None:
        create(folder.below(f"labels/{text[0]}"), text[1])

    with (
        ThreadPoolExecutor(WRITE_THREADS) as pool,
        listing_rejected(labels, folder.below(REJECTED), exported) as counted,
    ):
        for group in in_groups(_placed(labelled_only(counted(labels.images())), yolo)):
            texts = [(safe_name(i.file_name, ".txt"), _text(i, indices, outlines)) for i in group]
            list(pool.map(write, texts))
    if yolo.with_images:
        images = _placed(labelled_only(labels.images()), yolo)
        kind, below = labels.identity.source, folder.below("images")
        written = write_images(images, kind, storage, below, yolo.columns)
        check_all_written(written, exported, output_uri)
    return exported


def split_of(image_id: str, val_share: float) -> str:
    """Return an image's split: the same on every machine and in every export."""
    digest = hashlib.sha256(image_id.encode()).digest()
    return SPLITS[int.from_bytes(digest[:8]) < val_share * 2**64]


def _placed(images: Iterator[LabelledImage], yolo: Yolo) -> Iterator[LabelledImage]:
    """Yield the images under their flat names in their splits."""
    names = FreeNames()
    for image in images:
        flat = safe_name(image.file_name).replace("/", "__")
        # Readers find an image's text by its stem: of a second one of that stem it is `a_png.png`.
        if not names.takes(safe_name(flat, ".txt")) and has_image_suffix(flat):
            stem, _, suffix = flat.rpartition(".")
            flat = f"{stem}_{suffix}.{suffix}"
        split = split_of(image.image_id, yolo.val_share)
        yield replace(image, file_name=f"{split}/{flat}")


def _text(image: LabelledImage, indices: dict[int, int], outlines: Outlines) -> bytes:
    height, width = image.size_HW
    lines = []
    for mask in image.masks:
        for polygon in outlines.of_pixels(mask, image.size_HW):
            shares = (polygon + INTO_PIXEL) / np.array((width, height))
            numbers = " ".join(f"{share:.6f}" for share in shares.ravel())
            lines.append(f"{indices[mask.category.id]} {numbers}\n")
    return "".join(lines).encode()


def _data(labels: Labels, yolo: Yolo) -> bytes:
    """Return data.yaml; it differs where an export would put images into the other split."""
    document = {
        **{split: f"images/{split}" for split in SPLITS},
        "nc": len(labels.categories),
        "names": [category.name for category in labels.categories],
    }
    lines = [f"{key}: {json.dumps(value)}\n" for key, value in document.items()]
    return "".join([f"# of all images {yolo.val_share:g} are in val\n", *lines]).encode()
