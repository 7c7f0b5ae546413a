"""Turn a COCO instances file into the ids and file names of its images."""

from pipeline.masks.coco import read_images
from schemas.errors import BadInput


def read_coco_images(data: bytes, uri: str) -> list[tuple[int, str]]:
    """Return (id, file_name) of every image of an instances file, by id.

    The annotations are not read where they stand behind the images. Raises BadInput for anything
    but COCO.
    """
    try:
        images = read_images(data)
    except ValueError as error:
        raise _not_coco(uri, str(error)) from error
    if not isinstance(images, list):
        raise _not_coco(uri, "no `images` list")
    if not images:
        raise _not_coco(uri, "an empty `images` list")
    names: dict[int, str] = {}
    for number, image in enumerate(images):
        image_id, name = _entry(image, number, uri)
        if image_id in names:
            raise BadInput(
                "a COCO image id that is used twice",
                uri,
                f"id {image_id}: {names[image_id]} and {name}",
                "a number of its own for each image",
            )
        names[image_id] = name
    return sorted(names.items())


def _entry(image: object, number: int, uri: str) -> tuple[int, str]:
    where = f"{uri}, images[{number}]"
    if not isinstance(image, dict):
        raise _not_coco(where, f"{image!r:.80}")
    image_id, name = image.get("id"), image.get("file_name")
    if not isinstance(image_id, int) or isinstance(image_id, bool):
        raise _not_coco(where, f"id {image_id!r:.80}")
    if not isinstance(name, str) or not name:
        raise _not_coco(where, f"file_name {name!r:.80}")
    if name.startswith("/") or ".." in name.split("/") or "://" in name:
        raise BadInput(
            "a COCO file name outside the images' folder", where, name, "a path below `images`"
        )
    return image_id, name


def _not_coco(where: str, got: str) -> BadInput:
    return BadInput(
        "a file that is not a COCO instances JSON",
        where,
        got,
        'an object with "images": a list of {"id": number, "file_name": path}',
    )
