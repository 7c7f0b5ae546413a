"""Load a job's references: image URIs and annotations become checked arrays in memory."""

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np

from model.segmenter import Drawn, LoadedReference
from pipeline.inputs.decode import decode_image
from pipeline.label.annotations import draw
from pipeline.masks.runs import encode_rle
from pipeline.storage.place import Place
from schemas.compute import Limits
from schemas.errors import BadReference, ImageRejected
from schemas.reference import Category, Reference
from schemas.storage import Storage

ID_DIGITS = 12  # 48 bits of a sha256: no collision among the references one job can hold


def load_references(
    references: Sequence[Reference],
    categories: Sequence[Category],
    limits: Limits,
    storage: Storage,
) -> tuple[LoadedReference, ...]:
    """Load references in the order given; a file named several times is read once.

    Raises BadReference for the first that holds no usable object, BadStorage for a missing file.
    """
    ids = {category.name: category.id for category in categories}

    @cache
    def read(uri: str) -> bytes:
        return Place.open(uri, storage).read()

    loaded: dict[str, LoadedReference] = {}
    for number, reference in enumerate(references):
        where = f"references[{number}] ({reference.category}, {reference.image})"
        data = read(reference.image)
        try:
            pixels_HW3 = decode_image(data, limits).pixels_HW3
        except ImageRejected as rejected:
            raise BadReference(
                "a reference image cannot be used", where, str(rejected), "a readable image"
            ) from rejected
        height, width, _ = pixels_HW3.shape
        drawn = draw(reference.annotation, (height, width), read, where)
        category_id = ids[reference.category]
        reference_id = _reference_id(data, drawn, category_id)
        if reference_id in loaded:
            raise BadReference(
                "a reference is listed twice", where, "an earlier one's image and annotation",
                "each reference once",
            )  # fmt: skip
        loaded[reference_id] = LoadedReference(reference_id, category_id, pixels_HW3, drawn)
    return tuple(loaded.values())


def _reference_id(data: bytes, drawn: Drawn, category_id: int) -> str:
    """Return a hash of contents: a mask given as PNG, RLE or polygon is the same reference."""
    digest = hashlib.sha256(hashlib.sha256(data).digest())
    digest.update(str(category_id).encode())
    if isinstance(drawn, np.ndarray):
        digest.update(encode_rle(drawn)["counts"].encode())
    else:
        digest.update(drawn.model_dump_json().encode())
    return digest.hexdigest()[:ID_DIGITS]
