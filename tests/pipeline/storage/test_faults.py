"""Storage that fails: one request in five goes wrong, and nothing read or written differs.

Seeds are fixed, and each test sends one request at a time, so the faults are the same on every
run. Should that ever change: with 20 tries and at most 28 % faults, one of a test's fewer than 100
operations fails for good in one run of 10 ** 9.
"""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pipeline.inputs.shards import read_units
from pipeline.inputs.sources import plan_shards
from pipeline.output.unit import UnitName, list_units, read_part, write_unit
from pipeline.storage.files import (
    check_writable,
)
from pipeline.storage.patient_s3 import BUDGET, Budget
from pipeline.storage.place import Place
from schemas.errors import BadStorage, MissingFile
from schemas.job.compute import Limits
from schemas.job.source import WebDataset
from schemas.record.row import LABEL_SCHEMA
from tests.made.pixels.tars import make_tar
from tests.made.servers.fault_proxy import FAULTS, Fault, Faults, faulty
from tests.made.servers.s3 import Bucket, storage_at

QUICK = Budget(attempts=20, seconds=60, first_pause_s=0.001, longest_pause_s=0.01)
ONE_IN_FIVE: list[dict[Fault, float]] = [{fault: 0.2} for fault in FAULTS]
ALL_AT_ONCE: dict[Fault, float] = dict.fromkeys(FAULTS, 0.04)
RATES = pytest.mark.parametrize("rates", [*ONE_IN_FIVE, ALL_AT_ONCE], ids=[*FAULTS, "all"])
UNIT = UnitName("0123456789abcdef", 3, last=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of milliseconds in client and proxy."""
    monkeypatch.setattr("pipeline.storage.patient_s3.BUDGET", QUICK)
    monkeypatch.setattr("tests.made.servers.fault_proxy.SLOW_S", 0.02)


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that waits 1 s for the next byte, and a proxy whose slow answers take 2 s."""
    monkeypatch.setattr("pipeline.storage.patient_s3.SILENCE_S", 1)
    monkeypatch.setattr("tests.made.servers.fault_proxy.SLOW_S", 2)


def content(number: int) -> bytes:
    return hashlib.shake_256(b"%d" % number).digest(1000 + number)


def open_at(endpoint: str, bucket: Bucket) -> Place:
    return Place.open(f"{bucket.uri}/out", storage_at(endpoint))


def upstream(bucket: Bucket) -> str:
    assert bucket.storage.endpoint_url
    return bucket.storage.endpoint_url


@RATES
def test_every_operation_does_its_work(
    rates: dict[Fault, float], bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    faults = Faults(rates, seed=6)
    names = [f"{number}" for number in range(6)]
    with faulty(upstream(bucket), faults) as endpoint:
        folder = open_at(endpoint, bucket)
        for number, name in enumerate(names):
            assert folder.below(name).create(content(number))
        assert not folder.below("0").create(b"another writer's")
        folder.below("5").replace(content(99))
        for number, name in enumerate(names[:-1]):
            assert folder.below(name).read() == content(number)
            assert folder.below(name).read(start=10, end=5000) == content(number)[10:]
            assert folder.below(name).read(start=10, end=90) == content(number)[10:90]
            assert folder.below(name).size() == 1000 + number
        assert list(list_in_pages_of_two(folder, monkeypatch)) == names
        monkeypatch.setattr("pipeline.storage.patient_s3._BLOCK_BYTES", 100)
        folder.fs.get_file(folder.below("5").path, str(tmp_path / "copy"))
        folder.below("4").remove()
        with pytest.raises(MissingFile):
            folder.below("4").read()
    assert (tmp_path / "copy").read_bytes() == content(99)
    folder = Place.open(f"{bucket.uri}/out", bucket.storage)
    assert list(folder.files()) == [name for name in names if name != "4"]
    assert folder.below("0").read() == content(0)
    assert faults.made.total() > 0


def list_in_pages_of_two(folder: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    call: Any = getattr(folder.fs, "call_s3")  # noqa: B009 - unknown to the base class
    with monkeypatch.context() as patched:
        patched.setattr(folder.fs, "call_s3", lambda *a, **k: call(*a, **{**k, "MaxKeys": 2}))
        return folder.files()


@RATES
def test_a_tar_is_read_to_the_same_bytes(
    rates: dict[Fault, float], bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 25 KB of tar in blocks of 2 KiB, read from the proxy one after the other.
    monkeypatch.setattr("pipeline.storage.stored_file._BLOCK_BYTES", 2048)
    members = [(f"{number:02d}.jpg", content(number)) for number in range(12)]
    shard_uri = bucket.put("in/a.tar", make_tar(members))
    source = WebDataset(type="webdataset", shards=shard_uri)
    with faulty(upstream(bucket), Faults(rates, seed=7)) as endpoint:
        storage = storage_at(endpoint)
        (shard,) = plan_shards(source, storage, images_per_unit=5)
        units = list(read_units(shard, source, storage, Limits()))
    images = [image for unit in units for image in unit.images]
    assert [image.fault for image in images] == [None] * 12
    assert [image.data for image in images] == [data for _, data in members]


@RATES
def test_a_unit_is_committed_as_it_would_be_without_faults(
    rates: dict[Fault, float], bucket: Bucket
) -> None:
    row = dict.fromkeys(LABEL_SCHEMA.names) | {
        "image_id": "a", "category_id": 1, "status": "labelled", "box_xywh": [0.0, 0.0, 1.0, 1.0],
    }  # fmt: skip
    rejected = {"image_id": "b", "uri": "b", "reason": "decode", "message": "cut off"}
    folder = Place.open(f"{bucket.uri}/calm", bucket.storage)
    calm = write_unit(folder, UNIT, [row], [rejected], images=2)
    with faulty(upstream(bucket), Faults(rates, seed=8)) as endpoint:
        folder = open_at(endpoint, bucket)
        assert write_unit(folder, UNIT, [row], [rejected], images=2) == calm
        assert write_unit(folder, UNIT, [row | {"score": 0.5}], [rejected], images=2) == calm
        assert read_part(folder, calm.path) == calm
        assert list_units(folder) == {UNIT}


def test_a_conditional_put_whose_answer_was_lost_is_recognised_as_ours(bucket: Bucket) -> None:
    with faulty(upstream(bucket), Faults({"reset-after": 0.5}, seed=1)) as endpoint:
        folder = open_at(endpoint, bucket)
        for number in range(8):
            assert folder.below(str(number)).create(content(number))
            assert not folder.below(str(number)).create(b"another writer's")
        check_writable(f"{bucket.uri}/out", storage_at(endpoint))
    folder = Place.open(f"{bucket.uri}/out", bucket.storage)
    assert [folder.below(str(n)).read() for n in range(8)] == [content(n) for n in range(8)]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("slowdown", "SlowDown"),
        ("error", "InternalError"),
        ("reset-before", "does not answer"),
        ("reset-after", "does not answer"),
        ("truncated", "does not answer"),
        ("short", "500 bytes from byte 0, wanted 1000"),
    ],
)
def test_when_the_budget_is_spent_the_error_names_the_object_and_the_tries(
    fault: Fault, said: str, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pipeline.storage.patient_s3.BUDGET", Budget(attempts=3, first_pause_s=0.001)
    )
    bucket.put("out/a", content(0))
    with faulty(upstream(bucket), Faults({fault: 1.0}, seed=0)) as endpoint:
        folder = open_at(endpoint, bucket)
        with pytest.raises((OSError, BadStorage)) as raised:
            folder.below("a").read()
        message = str(raised.value)
        assert f"{bucket.uri}/out/a" in message
        assert said in message
        assert "given up after 3 tries in" in message


@pytest.mark.parametrize("fault", ["slowdown", "error", "reset-before", "reset-after"])
def test_listing_and_writing_name_what_they_gave_up_too(
    fault: Fault, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pipeline.storage.patient_s3.BUDGET", Budget(attempts=2, first_pause_s=0.001)
    )
    with faulty(upstream(bucket), Faults({fault: 1.0}, seed=0)) as endpoint:
        folder = open_at(endpoint, bucket)
        for attempt in (
            lambda: folder.below("a").create(b""),
            lambda: folder.below("a").replace(b""),
            lambda: folder.below("a").size(),
            lambda: folder.below("a").files(),
        ):
            with pytest.raises((OSError, BadStorage)) as raised:
                attempt()
            assert f"{bucket.uri}/out/a" in str(raised.value)
            assert "given up after 2 tries" in str(raised.value)


@pytest.mark.usefixtures("silence")
def test_an_answer_that_does_not_begin_is_asked_for_again(bucket: Bucket) -> None:
    bucket.put("out/a", content(0))
    faults = Faults({"slow": 0.5}, seed=3)
    with faulty(upstream(bucket), faults) as endpoint:
        folder = open_at(endpoint, bucket)
        assert folder.below("a").read() == content(0)
    assert faults.made["slow"] >= 1


@pytest.mark.usefixtures("silence")
def test_a_server_that_never_answers_is_named(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "pipeline.storage.patient_s3.BUDGET", Budget(attempts=2, first_pause_s=0.001)
    )
    with faulty(upstream(bucket), Faults({"slow": 1.0}, seed=0)) as endpoint:
        folder = open_at(endpoint, bucket)
        with pytest.raises(BadStorage, match=r"does not answer(.|\n)*ReadTimeoutError, given up"):
            folder.below("a").read()


def test_no_try_begins_after_the_budgets_seconds(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = Budget(attempts=1000, seconds=0.05, first_pause_s=0.02, longest_pause_s=0.02)
    monkeypatch.setattr("pipeline.storage.patient_s3.BUDGET", budget)
    faults = Faults({"slowdown": 1.0}, seed=0)
    with faulty(upstream(bucket), faults) as endpoint:
        folder = open_at(endpoint, bucket)
        with pytest.raises(OSError, match="given up after"):
            folder.below("a").read()
    # Pauses of 10 to 20 ms: at most six tries begin within 50 ms.
    assert 1 <= faults.requests["GET"] <= 6


def test_what_no_retry_mends_is_not_retried(bucket: Bucket) -> None:
    faults = Faults({}, seed=0)
    with faulty(upstream(bucket), faults) as endpoint:
        folder = open_at(endpoint, bucket)
        with pytest.raises(MissingFile):
            folder.below("gone").read()
    assert faults.requests["GET"] == 1


def test_the_pauses_double_up_to_a_bound_and_differ_between_clients() -> None:
    for tried in range(1, BUDGET.attempts):
        longest = min(0.1 * 2 ** (tried - 1), 20)
        pauses = {BUDGET.pause_s(tried) for _ in range(20)}
        assert len(pauses) == 20
        assert all(longest / 2 <= pause <= longest for pause in pauses)
