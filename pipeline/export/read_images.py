"""Read labelled images again from where their rows say they were, each archive once."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Literal

from pipeline.export.labels import LabelledImage
from pipeline.export.write import in_groups
from pipeline.inputs.address import split_uri
from pipeline.inputs.shards import EncodedImage, read_units
from pipeline.inputs.tar import READING
from pipeline.storage.place import Place
from schemas.job.compute import Limits
from schemas.job.source import ImageFiles, ParquetImages, Source, WebDataset
from schemas.job.storage import Storage
from schemas.record.commit import Shard

IMAGES_AT_ONCE = 64  # encoded, in memory
# Whatever size the job took once is taken again.
NO_LIMITS = Limits(max_bytes=2**40, max_pixels=2**31)

Kind = Literal["images", "webdataset", "parquet", "coco"]
Found = tuple[LabelledImage, EncodedImage]


def read_images(
    images: Iterable[LabelledImage], kind: Kind, storage: Storage, columns: ParquetImages
) -> Iterator[Found]:
    """Yield each image with its file as it is now, which may be a fault, or is left out where gone.

    columns: those of Parquet files; their `files` are not used. Raises BadStorage, MissingFile.
    """
    match kind:
        case "images" | "coco":
            for group in in_groups(images, IMAGES_AT_ONCE):
                yield from _from_files(group, storage)
        case "webdataset":
            for uri, own in groupby(images, key=lambda image: _archive_of(image.uri)):
                source = WebDataset(type="webdataset", shards=uri)
                yield from _from_archive(_shard("tar", uri, storage), source, list(own), storage)
        case "parquet":
            for uri, own in groupby(images, key=lambda image: image.uri.rpartition("#")[0]):
                shard = _shard("parquet", uri, storage)
                yield from _from_archive(shard, columns, list(own), storage)


def _archive_of(uri: str) -> str:
    return split_uri(uri, in_archive=True)[0]


def _from_files(images: Sequence[LabelledImage], storage: Storage) -> Iterator[Found]:
    listed = tuple((image.image_id, image.uri) for image in images)
    shard = _shard("images", images[0].uri, storage).model_copy(update={"images": listed})
    source = ImageFiles(type="images", uris=shard.uri)
    for unit in read_units(shard, source, storage, NO_LIMITS):
        yield from zip(images, unit.images, strict=True)


def _from_archive(
    shard: Shard, source: Source, images: Sequence[LabelledImage], storage: Storage
) -> Iterator[Found]:
    wanted = {image.uri: image for image in images}
    for unit in read_units(shard, source, storage, NO_LIMITS):
        for encoded in unit.images:
            # Of two members of one name the first was labelled, the second a fault.
            if encoded.fault is None and encoded.uri in wanted:
                yield wanted.pop(encoded.uri), encoded


def _shard(kind: Literal["images", "tar", "parquet"], uri: str, storage: Storage) -> Shard:
    place = Place.open(uri, storage)
    size = 0 if kind == "images" else place.size() or 0
    return Shard(
        id="",
        kind=kind,
        name=uri,
        uri=uri,
        size_bytes=size,
        images_per_unit=IMAGES_AT_ONCE,
        reading=READING,
    )
