"""A sample of a collection becomes what its images look like, and what references find in them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from model.presence.decide import at_share
from model.presence.head import odds_of
from model.segmenter import LoadedReference
from model.whole_image import Look
from pipeline.images.decode import decode_image
from pipeline.inputs.shards import EncodedImage
from pipeline.presence.study import Study
from pipeline.report.pictures import small_copy
from schemas.errors import ImageRejected
from schemas.job.compute import Limits
from schemas.record.presence import PresenceHead


@dataclass(frozen=True)
class Sampled:
    """An image of the collection: what it looks like, [C], and how likely it shows each category.

    chances are by category id; none where the method has no presence head.
    """

    image_id: str
    look_C: np.ndarray
    small: Image.Image
    chances: Mapping[int, float]


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
        chances = {}
        if segmenter is not None and head is not None:
            [found] = segmenter.segment([pixels_HW3])
            chances = {one.category_id: at_share(odds_of(head, one), 0.5) for one in found}
        yield Sampled(image.image_id, look(pixels_HW3), small_copy(pixels_HW3), chances)
