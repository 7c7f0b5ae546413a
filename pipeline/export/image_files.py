"""Write a commit's images as files, upright, under the names that exports tell other tools.

A file that needs no turning is copied as it is. One that its EXIF orientation turns is decoded and
written again, and so is an image of a Parquet file whose bytes are of another format than its name.
"""

import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PIL import Image

from pipeline.export.labels import LabelledImage, Labels
from pipeline.export.read_images import (
    IMAGES_AT_ONCE,
    NO_LIMITS,
    Found,
    Kind,
    read_images,
)
from pipeline.export.rejected import REJECTED, Exported, labelled_only, listing_rejected
from pipeline.export.safe_name import safe_name
from pipeline.export.selection import Selection
from pipeline.export.write import WRITE_THREADS, create, in_groups
from pipeline.images.decode import UNREADABLE, decode_image
from pipeline.images.formats import suffix_of
from pipeline.storage.place import Place
from schemas.errors import BadInput, BadStorage
from schemas.job.source import ParquetImages
from schemas.job.storage import Storage

COLUMNS = ParquetImages(type="parquet", files="as labelled")
# Without loss where the format can; JPEG and AVIF as near as their writers advise.
SAVED: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}
MOST_NAMED = 5  # missing images, in a message


def export_images(
    output_uri: str, storage: Storage, to: str, columns: ParquetImages = COLUMNS
) -> Exported:
    """Write the labelled images of a commit below the folder `to`.

    Files are created, never replaced. Raises BadInput for unsafe names or a folder that holds
    others, BadStorage when images are gone: those that are there have been written.
    """
    labels = Labels.open(output_uri, storage, Selection())
    folder = Place.open(to, storage)
    exported = Exported()
    with listing_rejected(labels, folder.below(REJECTED), exported) as counted:
        written = write_images(
            (_checked(image) for image in labelled_only(counted(labels.images()))),
            labels.identity.source,
            storage,
            folder,
            columns,
        )
    check_all_written(written, exported, output_uri)
    return exported


def write_images(
    images: Iterable[LabelledImage],
    kind: Kind,
    storage: Storage,
    folder: Place,
    columns: ParquetImages = COLUMNS,
) -> int:
    """Write images below a folder under their file names; return how many there still were.

    One whose file is of another size now is another image than was labelled, and counts as gone.
    """

    def write(found: Found) -> bool:
        image, encoded = found
        there = encoded.fault is None and _is_of_size(image, encoded.data)
        if there:
            create(folder.below(image.file_name), upright(image, encoded.data))
        return there

    with ThreadPoolExecutor(WRITE_THREADS) as pool:
        found = read_images(images, kind, storage, columns)
        return sum(sum(pool.map(write, group)) for group in in_groups(found, IMAGES_AT_ONCE))


def check_all_written(written: int, exported: Exported, output_uri: str) -> None:
    """Raise BadStorage unless every image was."""
    if written != exported.images:
        raise BadStorage(
            "labelled images that are no longer where they were",
            output_uri,
            f"{exported.images - written} of {exported.images} gone, or of another size; the "
            "others are written",
            "the inputs of the job, at the addresses in its rows",
        )


def _checked(image: LabelledImage) -> LabelledImage:
    safe_name(image.file_name)
    return image


def upright(image: LabelledImage, data: bytes) -> bytes:
    """Return an image's file as it is displayed, of the format that its file name ends in."""
    wanted = _format_of_name(image.file_name)
    if image.exif_orientation == 1 and (".parquet#" not in image.uri or _format(data) == wanted):
        return data
    if wanted is None:
        raise BadInput(
            "a turned image of a format that cannot be written here",
            image.uri,
            image.file_name,
            "files that their EXIF orientation does not turn, or another format",
        )
    pixels = Image.fromarray(decode_image(data, NO_LIMITS).pixels_HW3)
    buffer = io.BytesIO()
    pixels.save(buffer, wanted, **SAVED.get(wanted, {}))
    return buffer.getvalue()


def _is_of_size(image: LabelledImage, data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data)) as now:
            return sorted(now.size) == sorted(image.size_HW)  # however it is turned
    except UNREADABLE:
        return False


def _format_of_name(name: str) -> str | None:
    found = Image.registered_extensions().get(f".{suffix_of(name)}")
    return "JPEG" if found == "MPO" else found


def _format(data: bytes) -> str | None:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return "JPEG" if image.format == "MPO" else image.format
    except UNREADABLE:
        return None
