"""Planned shards."""

from pipeline.inputs.tar import READING
from schemas.record.commit import Shard


def tar(shard_id: str) -> Shard:
    """A tar of units of three images."""
    return Shard(
        id=shard_id,
        kind="tar",
        name=f"{shard_id}.tar",
        uri=f"in/{shard_id}.tar",
        size_bytes=1,
        images_per_unit=3,
        reading=READING,
    )
