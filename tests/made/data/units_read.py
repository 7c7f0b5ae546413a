"""Read a shard in units, and say in a line what an image of it became."""

from pipeline.inputs.shards import EncodedImage, Unit, read_units
from schemas.job.compute import Limits
from schemas.job.source import Source
from schemas.record.commit import Shard
from tests.made.servers.places import Place

LIMITS = Limits()
PER_UNIT = 3


def read(
    shard: Shard,
    source: Source,
    place: Place,
    limits: Limits = LIMITS,
    done: set[int] | None = None,
) -> list[Unit]:
    return list(read_units(shard, source, place.storage, limits, frozenset(done or ())))


def line(image: EncodedImage) -> tuple[str, bytes | str]:
    return image.image_id, image.fault.reason if image.fault else image.data


def lines(units: list[Unit]) -> list[tuple[str, bytes | str]]:
    return [line(image) for unit in units for image in unit.images]
