"""What is finished, what is left, and a commit whose counts add up."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.output.commit import (
    is_complete,
    read_commit,
    unchanged_parts,
    unfinished,
    write_commit,
)
from pipeline.output.plan import Plan
from pipeline.output.unit import UnitName, list_sizes, write_unit
from pipeline.storage.place import Place
from schemas.job.reference import Category
from schemas.job.storage import Storage
from schemas.record.commit import Counts, Identity, Shard
from tests.made.outputs.rows import label, rejected


def shard(number: int) -> Shard:
    return Shard(
        id=f"{number:016x}",
        kind="tar",
        name=f"{number}.tar",
        uri=f"/in/{number}.tar",
        size_bytes=10,
        images_per_unit=2,
    )


def plan(*shards: Shard, vanished: tuple[str, ...] = ()) -> Plan:
    return Plan(shards=shards, new=(), vanished=vanished)


def unit(number: int, of: int, *, last: bool = False) -> UnitName:
    return UnitName(shard(of).id, number, last)


IDENTITY = Identity(
    fingerprint="f",
    model_fingerprint="m",
    fields={},
    categories=(Category(id=1, name="cat"),),
    source="webdataset",
    random_weights=(),
)


def test_a_shard_is_finished_when_its_last_unit_and_all_before_it_are_there() -> None:
    units = [unit(0, 1), unit(1, 1, last=True)]
    assert unfinished(plan(shard(1)), units) == []


def test_a_shard_without_its_last_unit_is_left_and_keeps_what_it_has() -> None:
    assert unfinished(plan(shard(1)), [unit(0, 1)]) == [(shard(1), frozenset({0}))]


def test_a_shard_with_a_hole_is_left() -> None:
    left = unfinished(plan(shard(1)), [unit(1, 1, last=True)])
    assert left == [(shard(1), frozenset({1}))]


def test_a_vanished_shard_cannot_be_read_and_is_not_waited_for() -> None:
    assert unfinished(plan(shard(1), vanished=("1.tar",)), [unit(0, 1)]) == []


def test_a_commit_lists_parts_in_the_order_of_the_plan_and_adds_them_up(tmp_path: Path) -> None:
    output = Place.open(str(tmp_path), Storage())
    units = [unit(0, 1, last=True), unit(1, 2, last=True), unit(0, 2)]
    rows: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = [
        ([label("a"), label("b", "empty")], []),
        ([], [rejected("c")]),
        ([label("d")], [rejected("e")]),
    ]
    for name, (labels, faults) in zip(units, rows, strict=True):
        write_unit(output, name, labels, faults, images=len(labels) + len(faults))
    commit = write_commit(output, IDENTITY, plan(shard(2), shard(1)), {}, units)
    assert [part.images for part in commit.parts] == [2, 1, 2]
    assert commit.counts == Counts(
        images=5, with_labels=3, rejected=2, rows=3, labelled=2, empty=1, review=0
    )
    assert read_commit(output) == commit


def test_a_part_of_no_planned_shard_is_not_committed(tmp_path: Path) -> None:
    output = Place.open(str(tmp_path), Storage())
    write_unit(output, unit(0, 7, last=True), [label("a")], [], images=1)
    commit = write_commit(output, IDENTITY, plan(), {}, [unit(0, 7, last=True)])
    assert commit.parts == ()


def test_a_commit_of_another_part_than_the_one_that_lies_there_covers_nothing(
    tmp_path: Path,
) -> None:
    output = Place.open(str(tmp_path), Storage())
    name = unit(0, 1, last=True)
    write_unit(output, name, [label("a")], [], images=1)
    commit = write_commit(output, IDENTITY, plan(shard(1)), {}, [name])
    assert is_complete(commit, plan(shard(1)), list_sizes(output))
    # The unit is done again, with other rows, by a driver that is killed before its commit.
    output.below(name.path).remove()
    write_unit(output, name, [label("a"), label("b")], [], images=2)
    assert not is_complete(commit, plan(shard(1)), list_sizes(output))
    assert unchanged_parts(commit, list_sizes(output)) == {}


def test_an_output_without_a_commit_has_none(tmp_path: Path) -> None:
    assert read_commit(Place.open(str(tmp_path), Storage())) is None


def test_counts_that_do_not_add_up_cannot_be_written() -> None:
    with pytest.raises(ValidationError, match="3 images are not 1 with labels and 1 rejected"):
        Counts(images=3, with_labels=1, rejected=1, rows=1, labelled=1, empty=0)
