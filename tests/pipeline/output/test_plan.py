"""Plans only grow: what was planned keeps its units, what is new gets its own."""

from pathlib import Path

import pytest

from pipeline.output.plan import extend_plan, merge_plan, read_plan
from pipeline.storage.place import Place
from schemas.errors import BadInput
from schemas.job.storage import Storage
from schemas.record.commit import Shard


def tar(name: str, size: int = 10, bucket: str = "a") -> Shard:
    return Shard(
        id=f"{hash((name, size)) & 0xFFFFFFFFFFFFFFFF:016x}",
        kind="tar",
        name=name,
        uri=f"s3://{bucket}/{name}",
        size_bytes=size,
        images_per_unit=2,
    )


def photos(*names: str, bucket: str = "a", shard_id: str = "0" * 16) -> Shard:
    return Shard(
        id=shard_id,
        kind="images",
        name=names[0],
        uri=f"s3://{bucket}",
        size_bytes=0,
        images=tuple((name, f"s3://{bucket}/{name}") for name in names),
        images_per_unit=2,
    )


def test_a_new_shard_is_planned_after_the_known_ones() -> None:
    plan = merge_plan([tar("b.tar")], [tar("a.tar"), tar("b.tar")])
    assert [shard.name for shard in plan.shards] == ["b.tar", "a.tar"]
    assert [shard.name for shard in plan.new] == ["a.tar"]


def test_a_vanished_shard_is_reported_and_stays_planned() -> None:
    plan = merge_plan([tar("a.tar"), tar("b.tar")], [tar("b.tar")])
    assert plan.vanished == ("a.tar",)
    assert len(plan.shards) == 2


def test_a_moved_collection_is_read_at_its_new_address() -> None:
    plan = merge_plan(
        [tar("a.tar"), photos("x.jpg")], [tar("a.tar", bucket="new"), photos("x.jpg", bucket="new")]
    )
    assert plan.new == ()
    assert plan.shards[0].uri == "s3://new/a.tar"
    assert plan.shards[1].images == (("x.jpg", "s3://new/x.jpg"),)


def test_a_shard_that_changed_under_its_name_is_refused() -> None:
    with pytest.raises(BadInput, match="a shard has changed"):
        merge_plan([tar("a.tar", 10)], [tar("a.tar", 20)])


def test_a_photo_added_in_the_middle_shifts_no_planned_unit() -> None:
    plan = merge_plan(
        [photos("a.jpg", "c.jpg")],
        [photos("a.jpg", "b.jpg", shard_id="1" * 16), photos("c.jpg", shard_id="2" * 16)],
    )
    assert [[name for name, _ in shard.images] for shard in plan.shards] == [
        ["a.jpg", "c.jpg"],
        ["b.jpg"],
    ]


def test_a_vanished_photo_is_reported() -> None:
    assert merge_plan([photos("a.jpg", "b.jpg")], [photos("a.jpg")]).vanished == ("b.jpg",)


def test_a_plan_read_again_is_the_plan_written(tmp_path: Path) -> None:
    output = Place.open(str(tmp_path), Storage())
    first = extend_plan(output, [tar("a.tar"), photos("x.jpg", "y.jpg")])
    assert read_plan(output) == (first.shards, 1)
    second = extend_plan(output, [tar("a.tar"), photos("x.jpg", "y.jpg"), tar("b.tar")])
    assert read_plan(output) == (second.shards, 2)
    assert extend_plan(output, [tar("b.tar"), tar("a.tar"), photos("x.jpg", "y.jpg")]).new == ()


def test_what_a_kill_left_of_a_plan_file_is_none(tmp_path: Path) -> None:
    output = Place.open(str(tmp_path), Storage())
    torn, whole = (f"plan/.0000{n}.parquet.{'a' * 32}.tmp" for n in (0, 1))
    output.below(torn).replace(b"PAR1")
    assert read_plan(output) == ((), 0)
    first = extend_plan(output, [tar("a.tar")])
    output.below(whole).replace(output.below("plan/00000.parquet").read())
    assert read_plan(output) == (first.shards, 1)
