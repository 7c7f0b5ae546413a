"""Turn a source of image files into a numbered list of them, to be looked at and drawn on."""

from dataclasses import dataclass

from pipeline.inputs.sources import plan_inputs
from pipeline.review.pictures import Picture, Pictures
from schemas.errors import BadInput
from schemas.job.source import CocoImages, ImageFiles, Source
from schemas.job.storage import Storage

PER_SHARD = 4096  # how the list is cut does not show


@dataclass(frozen=True)
class Collection:
    """The images of a source, (id, URI) each, as listed when the studio began."""

    images: tuple[tuple[str, str], ...]
    pictures: Pictures
    storage: Storage
    total: int | None
    """None where only the reader of shards will know."""

    @classmethod
    def open(cls, source: Source, storage: Storage) -> "Collection":
        """Raises BadInput for shards, whose members no reference can name; as `plan_inputs`."""
        if not isinstance(source, (ImageFiles, CocoImages)):
            raise BadInput(
                "images that cannot be drawn on",
                "targets",
                f"type {source.type}: images inside shards",
                "type images or coco: a reference is an image file of its own",
            )
        shards = plan_inputs(source, storage, PER_SHARD).shards
        images = tuple(image for shard in shards for image in shard.images)
        return cls(images, Pictures(storage), storage, len(images))

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
