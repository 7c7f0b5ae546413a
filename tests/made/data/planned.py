"""Plan sources of images, and name what was planned."""

from pipeline.inputs.sources import plan_shards
from schemas.job.source import ImageFiles, ParquetImages, Source, Uris, WebDataset
from schemas.record.commit import Shard
from tests.made.servers.places import Place


def images(uris: Uris) -> ImageFiles:
    return ImageFiles(type="images", uris=uris)


def webdataset(shards: Uris) -> WebDataset:
    return WebDataset(type="webdataset", shards=shards)


def plan(source: Source, place: Place, images_per_unit: int = 100) -> list[Shard]:
    return plan_shards(source, place.storage, images_per_unit)


def image_ids(shards: list[Shard]) -> list[str]:
    return [image_id for shard in shards for image_id, _ in shard.images]


def names(shards: list[Shard]) -> list[str]:
    return [shard.name for shard in shards]


def parquet_source(files: Uris, **columns: str) -> ParquetImages:
    return ParquetImages(type="parquet", files=files, **columns)  # pyright: ignore[reportArgumentType]  # two names of columns
