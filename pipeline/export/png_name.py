"""Turn an image's id into the name of its PNG, or refuse an id that could leave the folder."""

from pathlib import PurePosixPath

from pipeline.inputs.formats import READ_ALWAYS, READ_WITH
from schemas.errors import BadInput

# What ids end in where they are file names, whatever is installed where they are exported.
IMAGE_SUFFIXES = READ_ALWAYS | READ_WITH.keys()
MOST_BYTES = 255  # of one part of a path: ext4, XFS and APFS


def png_name(image_id: str) -> str:
    """Return the path of an image's PNG below the export's folder.

    Raises BadInput for an id that is absolute, climbs out of its folder, or has parts that file
    systems do not take.
    """
    parts = image_id.split("/")
    unsafe = (
        any(part in ("", ".", "..") for part in parts)
        or any(character == "\\" or not character.isprintable() for character in image_id)
        or any(len(part.encode()) > MOST_BYTES - len(".png") for part in parts)
    )
    if unsafe:
        raise BadInput(
            "an image id that is no safe file name",
            "the labels' image ids",
            repr(image_id),
            "a relative path without empty parts, '..', backslashes or control characters",
        )
    path = PurePosixPath(image_id)
    stem = path.stem if path.suffix[1:].lower() in IMAGE_SUFFIXES else path.name
    return str(path.with_name(f"{stem}.png"))
