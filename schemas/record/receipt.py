"""What a segmenting actor reports of a unit it committed; the only thing that flows back."""

from pydantic import Field

from schemas.record.commit import Part
from schemas.spec import Spec


class StageSeconds(Spec):
    """Where the time of a unit went. Decode and encode add up over threads, the others are wall."""

    decode: float = 0.0
    segment: float = 0.0
    encode: float = 0.0
    write: float = 0.0

    def __add__(self, other: "StageSeconds") -> "StageSeconds":
        return StageSeconds(
            decode=self.decode + other.decode,
            segment=self.segment + other.segment,
            encode=self.encode + other.encode,
            write=self.write + other.write,
        )


class Receipt(Spec):
    """One unit, committed."""

    shard_id: str
    number: int
    last: bool
    part: Part
    seconds: StageSeconds
    taken: int = Field(default=0, description="Rows taken from the job's earlier output.")
    again: bool = Field(default=False, description="An earlier try never came to its end.")
