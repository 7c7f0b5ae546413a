"""Write the images that an export leaves out to a list beside it, and count what it holds."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.export.labels import Image, LabelledImage, Labels, RejectedImage
from pipeline.storage.place import Place
from pipeline.storage.stream_out import stream_out

REJECTED = "rejected.json"


@dataclass
class Exported:
    """What an export holds, and what it leaves out."""

    images: int = 0
    masks: int = 0
    rejected: int = 0
    unsettled: int = 0  # images left out, as people have not said enough of their masks
    turned: int = 0  # images whose file is turned by its EXIF orientation; masks are as displayed


@contextmanager
def listing_rejected(
    labels: Labels, beside: Place, exported: Exported
) -> Iterator[Callable[[Iterable[Image]], Iterator[Image]]]:
    """Give a passage for images: those taken are added to `exported`, rejected ones listed too.

    Images that people have not settled do not pass.

    The list, `beside`, appears when the block ends, unless by an exception. Raises BadStorage.
    """

    def counted(images: Iterable[Image]) -> Iterator[Image]:
        for image in images:
            if isinstance(image, RejectedImage):
                file.write((b",\n" if exported.rejected else b"\n") + _entry(image))
                exported.rejected += 1
            elif not image.settled:
                exported.unsettled += 1
                continue
            else:
                exported.images += 1
                exported.masks += len(image.masks)
                exported.turned += image.exif_orientation != 1
            yield image

    with stream_out(beside) as file:
        head = json.dumps({"fingerprint": labels.commit.fingerprint})
        file.write(head.removesuffix("}").encode() + b', "rejected":[')
        yield counted
        file.write(b"]}\n")


def labelled_only(images: Iterable[Image]) -> Iterator[LabelledImage]:
    """Pass over the rejected images."""
    return (image for image in images if isinstance(image, LabelledImage))


def _entry(image: RejectedImage) -> bytes:
    return json.dumps(
        {
            "id": image.number,
            "file_name": image.file_name,
            "image_id": image.image_id,
            "uri": image.uri,
            "reason": image.reason,
            "message": image.message,
        }
    ).encode()
