"""A folder becomes the status of the job whose output it is."""

import json
import re
from dataclasses import dataclass

from pipeline.embed.store import SHARD_NAME
from pipeline.evaluate.paths import EPISODES_STEM, PARTS, RESULT
from pipeline.output.paths import INPUTS, JOB, STATE
from pipeline.status.labeling import LabelStatus, label_status
from pipeline.status.training import TrainStatus, train_status
from pipeline.storage.files import check_endpoint
from pipeline.storage.place import Place
from schemas.errors import BadStorage, MissingFile
from schemas.job.storage import Storage
from schemas.job.train import TrainIdentity

_STORE = re.compile(r"([0-9a-f]{16})/shards/([^/]+)")


@dataclass(frozen=True)
class EmbedStatus:
    """What a store of embeddings holds; which images are to come, only the job knows."""

    done: bool
    """Never: see above."""
    units: dict[str, int]
    """Committed, by the key of a SAM and its preprocessing."""
    bytes: int


@dataclass(frozen=True)
class EvaluateStatus:
    """How far an evaluation is."""

    done: bool
    parts: int
    """Units of episodes that are counted, of all methods."""


Status = LabelStatus | TrainStatus | EmbedStatus | EvaluateStatus


def read_status(uri: str, storage: Storage) -> Status | None:
    """Return how far the job is whose output this is, None where nothing has begun.

    Raises BadStorage for a folder that is no job's output.
    """
    check_endpoint(storage)
    output = Place.open(uri, storage)
    try:
        identity = json.loads(output.below(JOB).read())
    except MissingFile:
        return _without_identity(output)
    except ValueError as error:
        raise BadStorage("a job.json that cannot be read", uri, str(error), "JSON") from error
    if "categories" in identity:
        return label_status(output)
    return train_status(output, TrainIdentity.model_validate(identity))


def _without_identity(output: Place) -> EmbedStatus | EvaluateStatus | None:
    sizes = output.files()
    if any(name.startswith(EPISODES_STEM) for name in sizes):
        parts = sum(name.startswith(f"{PARTS}/") for name in sizes)
        return EvaluateStatus(RESULT in sizes, parts)
    units: dict[str, int] = {}
    size = 0
    for name, shard_bytes in sizes.items():
        match = _STORE.fullmatch(name)
        if match and SHARD_NAME.fullmatch(match[2]):
            units[match[1]] = units.get(match[1], 0) + 1
            size += shard_bytes
    if units:
        return EmbedStatus(False, units, size)
    # What `vrp submit` uploads, and what runs say, comes before the job's own first file.
    strange = [name for name in sizes if not name.startswith((f"{INPUTS}/", f"{STATE}/", "."))]
    if strange:
        raise BadStorage(
            "a folder that is no job's output",
            output.uri,
            strange[0],
            "the output of a job, or of none",
        )
    return None
