"""Turn an image's file name into that of an export's file, or refuse one that leaves it."""

import hashlib
from pathlib import PurePosixPath
from urllib.parse import quote

from pipeline.images.formats import has_image_suffix
from schemas.errors import BadInput

MOST_BYTES = 255  # of one part of a path: ext4, XFS and APFS
SPARE_BYTES = 15  # for a suffix more, such as `.json`


def safe_name(name: str, suffix: str | None = None) -> str:
    """Return a path below an export's folder, with the image's suffix exchanged for another.

    Raises BadInput for a name that is absolute, climbs out of its folder, or has parts that file
    systems do not take.
    """
    path = PurePosixPath(name)
    if suffix is not None and path.name:
        stem = path.stem if has_image_suffix(path.name) else path.name
        path = path.with_name(f"{stem}{suffix}")
    if _leaves(name) or any(len(part.encode()) > MOST_BYTES for part in path.parts):
        raise BadInput(
            "a file name of an image that is not safe",
            "the labels' images",
            repr(name),
            "a relative path without empty parts, '..', backslashes or control characters",
        )
    return str(path)


def name_for(image_id: str, suffix: str) -> str:
    """Return a file name for an image that has none, but an id: the id itself where that is one.

    Another id (an address, say) is written with percent signs, as one part of a path; what is too
    long for a file system ends in a hash of it. The suffix is left out where the id has one.
    """
    name = image_id if has_image_suffix(image_id) else f"{image_id}{suffix}"
    room = MOST_BYTES - SPARE_BYTES
    if not _leaves(name) and all(len(part.encode()) <= room for part in name.split("/")):
        return name
    suffix = PurePosixPath(name).suffix
    stem = quote(name.removesuffix(suffix), safe=" ")
    if len(stem) + len(suffix) > room:
        digest = hashlib.sha256(image_id.encode()).hexdigest()[:16]
        stem = f"{stem[: room - len(suffix) - len(digest) - 1]}-{digest}"
    return f"{stem}{suffix}"


def _leaves(name: str) -> bool:
    """True for a name that is absolute, climbs out of its folder, or that a system reads so."""
    return any(part in ("", ".", "..") for part in name.split("/")) or any(
        character == "\\" or not character.isprintable() for character in name
    )


class FreeNames:
    """Names one export's files after images, of which two may differ in their suffix alone.

    The first has the short name; the other, in the labels' order, its own suffix too: beside that
    of `a.jpg`, `a.png.txt` is of `a.png`. Holds about 80 bytes an image.
    """

    def __init__(self) -> None:
        self._taken: set[bytes] = set()

    def name(self, image: str, suffix: str) -> str:
        """Return a path below the export's folder. Raises BadInput as `safe_name`."""
        short = safe_name(image, suffix)
        return short if self.takes(short) else safe_name(f"{image}{suffix}")

    def takes(self, name: str) -> bool:
        """Take a name, and return whether it was free."""
        key = hashlib.blake2b(name.encode(), digest_size=8).digest()
        before = len(self._taken)
        self._taken.add(key)
        return len(self._taken) > before
