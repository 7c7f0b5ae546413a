"""Load a job's references: image URIs and annotations become checked arrays in memory."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.segmenter import Drawn, LoadedReference
from pipeline.images.decode import decode_image
from pipeline.label.annotations import Files, draw
from pipeline.masks.runs import encode_rle
from pipeline.storage.place import Place
from schemas.errors import BadReference, ImageRejected
from schemas.job.compute import Limits
from schemas.job.reference import Category, Reference
from schemas.job.storage import Storage

ID_DIGITS = 12  # 48 bits of a sha256: no collision among the references one job can hold


@dataclass(frozen=True)
class ReadReference:
    """A reference in memory, and what its annotation is understood to be."""

    loaded: LoadedReference
    said: str


def load_references(
    references: Sequence[Reference],
    categories: Sequence[Category],
    limits: Limits,
    storage: Storage,
) -> tuple[LoadedReference, ...]:
    """Load references in the order given, as `read_references`."""
    read = read_references(references, categories, limits, storage)
    return tuple(reference.loaded for reference in read)


def read_references(
    references: Sequence[Reference],
    categories: Sequence[Category],
    limits: Limits,
    storage: Storage,
) -> tuple[ReadReference, ...]:
    """Load references in the order given; a file named several times is read once.

    Raises BadReference for the first that holds no usable object, BadStorage for a missing file.
    """
    ids = {category.name: category.id for category in categories}
    files = Files(lambda uri: Place.open(uri, storage).read())
    read: dict[str, ReadReference] = {}
    for number, reference in enumerate(references):
        where = f"references[{number}] ({reference.category}, {reference.image})"
        data = files.read(reference.image)
        try:
            pixels_HW3 = decode_image(data, limits).pixels_HW3
        except ImageRejected as rejected:
            raise BadReference(
                "a reference image cannot be used", where, str(rejected), "a readable image"
            ) from rejected
        height, width, _ = pixels_HW3.shape
        understood = draw(reference, (height, width), files, where)
        category_id = ids[reference.category]
        reference_id = _reference_id(data, understood.drawn, category_id)
        if reference_id in read:
            raise BadReference(
                "a reference is listed twice", where, "an earlier one's image and annotation",
                "each reference once",
            )  # fmt: skip
        loaded = LoadedReference(reference_id, category_id, pixels_HW3, understood.drawn)
        read[reference_id] = ReadReference(loaded, f"{where}: {understood.said}")
    return tuple(read.values())


def _reference_id(data: bytes, drawn: Drawn, category_id: int) -> str:
    """Return a hash of contents: a mask given as PNG, RLE or polygon is the same reference."""
    digest = hashlib.sha256(hashlib.sha256(data).digest())
    digest.update(str(category_id).encode())
    if isinstance(drawn, np.ndarray):
        digest.update(encode_rle(drawn)["counts"].encode())
    else:
        digest.update(drawn.model_dump_json().encode())
    return digest.hexdigest()[:ID_DIGITS]
