"""A sample of a collection becomes what its images look like, and what references find in them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from model.presence.decide import at_share
from model.presence.head import odds_of
from model.presence.signals import signals_of
from model.segmenter import LoadedReference, Prediction
from model.whole_image import Look
from pipeline.images.decode import decode_image
from pipeline.inputs.shards import EncodedImage
from pipeline.presence.study import Study
from pipeline.report.pictures import small_copy
from schemas.errors import ImageRejected
from schemas.job.compute import Limits
from schemas.record.presence import PresenceHead


@dataclass(frozen=True)
class Found:
    """How likely an image shows a category, and how large: the root of its mask's share of it."""

    chance: float
    side: float


@dataclass(frozen=True)
class Sampled:
    """An image of the collection: what it looks like, [C], and what was found in it.

    found is by category id; nothing where the method has no presence head.
    """

    image_id: str
    look_C: np.ndarray
    small: Image.Image
    found: Mapping[int, Found]


def sampled(
    images: Iterable[EncodedImage],
    study: Study,
    look: Look,
    references: Sequence[LoadedReference],
    limits: Limits,
    head: PresenceHead | None,
) -> Iterator[Sampled]:
    """Look for the references in every image that can be read; others are passed over.

    Without a head there are looks alone.
    """
    segmenter = None if head is None else study(references)
    for image in images:
        if image.fault is not None:
            continue  # `vrp label` will say why, in its row
        try:
            pixels_HW3 = decode_image(image.data, limits).pixels_HW3
        except ImageRejected:
            continue
        found = {}
        if segmenter is not None and head is not None:
            [predictions] = segmenter.segment([pixels_HW3])
            found = {one.category_id: found_by(head, one) for one in predictions}
        yield Sampled(image.image_id, look(pixels_HW3), small_copy(pixels_HW3), found)


def found_by(head: PresenceHead, prediction: Prediction) -> Found:
    """Return what a prediction and its signals say of an image."""
    return Found(at_share(odds_of(head, prediction), 0.5), signals_of(prediction)["area"])
