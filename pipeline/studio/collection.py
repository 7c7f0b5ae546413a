"""Turn a source into a numbered list of its images, to be looked at and drawn on."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipeline.inputs.sample import spread
from pipeline.inputs.shards import list_images
from pipeline.inputs.sources import plan_inputs
from pipeline.review.pictures import Picture, Pictures
from schemas.errors import BadInput
from schemas.job.compute import Limits
from schemas.job.source import Source
from schemas.job.storage import Storage
from schemas.record.commit import Shard

PER_SHARD = 4096  # how the list is cut does not show
SHARDS, OF_EACH = 24, 50
"""What lies further back in a shard would have to be read past, at every look at it."""
LIST_THREADS = 8


@dataclass(frozen=True)
class Collection:
    """The images of a source, (id, URI) each, as listed when the studio began."""

    images: tuple[tuple[str, str], ...]
    pictures: Pictures
    source: Source
    storage: Storage
    total: int | None
    """None where only the reader of shards will know."""

    @classmethod
    def open(cls, source: Source, storage: Storage, limits: Limits) -> "Collection":
        """List all image files; of tars and Parquet files, the first images of some.

        Raises BadInput, BadStorage as `plan_inputs`.
        """
        shards = plan_inputs(source, storage, PER_SHARD).shards
        listed = [image for shard in shards for image in shard.images]
        images = tuple(listed or _first_of(shards, source, storage, limits))
        pictures = Pictures(storage, source, limits)
        return cls(images, pictures, source, storage, len(listed) or None)

    def uri(self, image: int) -> str:
        """Return where an image lies. Raises BadInput for a number that is none."""
        if not 0 <= image < len(self.images):
            got = f"{image} of {len(self.images)} images"
            raise BadInput("no such image", "the collection", got, "a number from the list")
        return self.images[image][1]

    def number(self, image_id: str) -> int:
        """Return an image's number. Raises BadInput for one that is not in the list."""
        for number, (known, _) in enumerate(self.images):
            if known == image_id:
                return number
        raise BadInput("no such image", "the collection", image_id, "an image of the list")

    def picture(self, image: int) -> Picture:
        """Return an image for the screen. Raises BadInput, ImageRejected."""
        return self.pictures.picture(self.uri(image))

    def small(self, image: int) -> bytes:
        """Return a small JPEG of an image. Raises BadInput, ImageRejected."""
        return self.pictures.small(self.uri(image))


def _first_of(
    shards: Sequence[Shard], source: Source, storage: Storage, limits: Limits
) -> list[tuple[str, str]]:
    """Return the first images of shards that are spread over the collection."""

    def first(shard: Shard) -> list[tuple[str, str]]:
        return list_images(shard, source, storage, limits, OF_EACH)

    with ThreadPoolExecutor(LIST_THREADS) as threads:
        return [image for images in threads.map(first, spread(shards, SHARDS)) for image in images]
