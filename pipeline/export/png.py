"""Turn a commit into one indexed PNG per image: each pixel's category, 0 where there is none.

Where masks overlap, a pixel belongs to the category of the greatest score (of equal ones, of the
smallest id). Nothing is drawn for a rejected image. Memory is that of one part.
"""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from PIL import Image

from pipeline.export.labels import LabelledImage, Labels
from pipeline.export.palette import MOST_COLOURS, Legend, make_legend, read_palette
from pipeline.export.rejected import REJECTED, Exported, labelled_only, listing_rejected
from pipeline.export.safe_name import FreeNames, safe_name
from pipeline.export.selection import Selection
from pipeline.export.write import WRITE_THREADS, create, in_groups
from pipeline.storage.place import Place
from schemas.errors import BadInput
from schemas.job.storage import Storage

LEGEND = "legend.json"
ALL = Selection()


def export_png(
    output_uri: str, storage: Storage, to: str, palette: str = "voc", selection: Selection = ALL
) -> Exported:
    """Write the labels committed below output_uri as PNGs below the folder `to`.

    An image's PNG is named after its file (`pipeline.export.file_name`). Files are created, never
    replaced: an export cut short is finished by the same command, and so is one of a collection
    that grew. Raises BadInput for too many categories, a palette, unsafe names, or a folder that
    holds other files of these names; BadStorage as `export_coco`.
    """
    labels = Labels.open(output_uri, storage, selection)
    legend = make_legend(labels.commit.categories, read_palette(palette, storage))
    folder = Place.open(to, storage)
    if selection.reviewed is not None:
        _check_settled(folder, labels)
    create(folder.below(LEGEND), legend.describe(labels.commit))
    exported, names = Exported(), FreeNames()

    def write(image: tuple[str, LabelledImage]) -> None:
        name, labelled = image
        create(folder.below(name), draw(labelled, legend))

    with (
        ThreadPoolExecutor(WRITE_THREADS) as pool,
        listing_rejected(labels, folder.below(REJECTED), exported) as counted,
    ):
        for group in in_groups(labelled_only(counted(labels.images()))):
            # All names of a group are checked before any of it is written.
            named = [(names.name(image.file_name, ".png"), image) for image in group]
            list(pool.map(write, named))
    return exported


def _check_settled(folder: Place, labels: Labels) -> None:
    """Raise BadInput where a folder has PNGs of images that people have since said otherwise of."""
    there = set(folder.files())
    if not there:
        return
    names, wanted, others = FreeNames(), set[str](), set[str]()
    for image in labelled_only(labels.images()):
        if image.settled:
            wanted.add(names.name(image.file_name, ".png"))
        else:
            others.add(safe_name(image.file_name, ".png"))
    if stale := sorted((others & there) - wanted):
        raise BadInput(
            "masks of an earlier export of which people have since said otherwise",
            folder.uri,
            f"{len(stale)} files, such as {stale[0]}",
            "a new folder, or these files deleted",
        )


def draw(image: LabelledImage, legend: Legend) -> bytes:
    """Return the PNG of one image, at its size as displayed."""
    height, width = image.size_HW
    canvas_HW = np.zeros((height, width), np.uint8)
    # The last one painted stays.
    for mask in sorted(image.masks, key=lambda mask: (mask.score, -mask.category.id)):
        canvas_HW[mask.pixels(image.size_HW)] = legend.indices[mask.category.id]
    indexed = Image.frombytes("P", (width, height), canvas_HW.tobytes())
    # All 256 colours: Pillow packs several pixels of fewer than 17 into a byte, and torchvision
    # 0.29 reads those as garbage, without an error.
    palette = bytes(channel for colour in legend.colours for channel in colour)
    indexed.putpalette(palette.ljust(3 * MOST_COLOURS, b"\0"))
    buffer = io.BytesIO()
    indexed.save(buffer, "PNG")
    return buffer.getvalue()
