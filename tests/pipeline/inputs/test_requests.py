"""How many requests labeling sends to S3: stated in docs/storage.md, counted here by a proxy."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pipeline.cluster.unit_table import unit_to_table
from pipeline.inputs.shards import Unit, read_units
from pipeline.inputs.sources import plan_shards
from pipeline.label.actor import SegmentTask, SegmentUnits
from schemas.job.label import LabelJob
from tests.made.jobs.label_jobs import job
from tests.made.outputs.units import WHITE, MeanColour, png, row_context
from tests.made.pixels.photos import tar_of
from tests.made.servers.fault_proxy import Faults, faulty
from tests.made.servers.s3 import Bucket, storage_at

IMAGES, PER_UNIT = 7, 3


@pytest.fixture
def faults(bucket: Bucket) -> Iterator[tuple[Faults, str]]:
    """Every request passes a proxy that counts it and does it no harm."""
    faults = Faults(rates={}, seed=0)
    assert bucket.storage.endpoint_url
    with faulty(bucket.storage.endpoint_url, faults) as endpoint:
        yield faults, endpoint


@contextmanager
def counted(faults: Faults) -> Iterator[Counter[str]]:
    before, spent = faults.requests.copy(), Counter[str]()
    yield spent
    spent.update(faults.requests - before)


def label_job(bucket: Bucket, endpoint: str, targets: dict[str, str]) -> LabelJob:
    spec = job(
        targets=targets,
        output={"uri": f"{bucket.uri}/out"},
        storage=storage_at(endpoint),
        compute={"images_per_unit": PER_UNIT},
    )
    return LabelJob.model_validate(spec)


def actor_of(spec: LabelJob) -> SegmentUnits:
    return SegmentUnits(SegmentTask(spec, (), row_context(spec), 0.0), MeanColour())


def read_all(spec: LabelJob) -> list[Unit]:
    shards = plan_shards(spec.targets, spec.storage, PER_UNIT)
    return [
        unit
        for shard in shards
        for unit in read_units(shard, spec.targets, spec.storage, spec.limits)
    ]


def test_an_archive_costs_requests_by_its_size_and_a_unit_a_fixed_few(
    bucket: Bucket, faults: tuple[Faults, str]
) -> None:
    counts, endpoint = faults
    for number in range(2):
        bucket.put(f"in/{number}.tar", tar_of({f"{i}.png": png(WHITE) for i in range(IMAGES)}))
    spec = label_job(bucket, endpoint, {"type": "webdataset", "shards": f"{bucket.uri}/in"})
    with counted(counts) as reading:
        units = read_all(spec)
    planning, shards = Counter({"GET": 2, "HEAD": 1}), 2  # a folder, listed
    assert reading == planning + Counter({"GET": shards, "HEAD": shards})
    actor = actor_of(spec)
    with counted(counts) as committing:
        for unit in units:
            actor(unit_to_table(unit))
    # Is it committed? Has it a note? The note, the part, and the note is gone.
    each = {"GET": 2, "PUT": 2, "DELETE": 1}
    assert committing == Counter({method: n * len(units) for method, n in each.items()})


def test_single_files_cost_a_request_each(bucket: Bucket, faults: tuple[Faults, str]) -> None:
    counts, endpoint = faults
    for number in range(IMAGES):
        bucket.put(f"in/{number}.png", png(WHITE))
    spec = label_job(bucket, endpoint, {"type": "images", "uris": f"{bucket.uri}/in"})
    with counted(counts) as reading:
        units = read_all(spec)
    assert sum(len(unit.images) for unit in units) == IMAGES
    assert reading == Counter({"GET": 2 + IMAGES, "HEAD": 1})
