"""What a run leaves for people: its references once, its times each time."""

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from model.segmenter import LoadedReference
from pipeline.output.provenance import keep_run, read_references, read_runs
from pipeline.output.unit import UnitName, write_unit
from pipeline.storage.place import Place
from schemas.errors import BadStorage
from schemas.job.reference import Box, Rle
from schemas.job.storage import Storage
from schemas.record.receipt import Receipt, StageSeconds
from tests.made.outputs.labels import CAT, DOG, row, square

SHARD_ID = "00112233aabbccdd"
MASK_HW = square(4, 8, 10)
REFERENCES = (
    LoadedReference("0" * 12, DOG.id, np.full((40, 40, 3), 90, np.uint8), MASK_HW),
    LoadedReference(
        "1" * 12,
        CAT.id,
        np.full((3000, 2000, 3), 90, np.uint8),
        Box(type="box", xyxy=(1, 2, 9, 9)),
    ),
)


@pytest.fixture
def output(tmp_path: Path) -> Place:
    return Place.open(str(tmp_path), Storage())


def receipt(output: Place, number: int) -> Receipt:
    name = UnitName(SHARD_ID, number, last=False)
    part = write_unit(output, name, [row("a.png", DOG, MASK_HW)], [], images=1)
    seconds = StageSeconds(decode=1, segment=2, encode=3, write=4)
    return Receipt(shard_id=SHARD_ID, number=number, last=False, part=part, seconds=seconds)


def test_receipts_pass_through_and_their_times_are_added_up(output: Place) -> None:
    receipts = [receipt(output, number) for number in range(3)]
    assert list(keep_run(output, REFERENCES, receipts)) == receipts
    (run,) = read_runs(output, 10)
    assert (run.units, run.images, run.rejected) == (3, 3, 0)
    assert run.stages == StageSeconds(decode=3, segment=6, encode=9, write=12)


def test_an_interrupted_run_keeps_the_times_of_what_it_did(output: Place) -> None:
    def interrupted() -> Iterator[Receipt]:
        yield receipt(output, 0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(keep_run(output, REFERENCES, interrupted()))
    assert [run.units for run in read_runs(output, 10)] == [1]


def test_what_cut_a_run_short_is_told_and_not_that_its_times_could_not_be_kept(
    output: Place, tmp_path: Path
) -> None:
    def ends(*errors: Exception) -> Iterator[Receipt]:
        yield receipt(output, 0)
        (tmp_path / "runs").write_text("a file where the times belong")
        yield from (error_raised(error) for error in errors)

    with pytest.raises(OSError, match="labels"):
        list(keep_run(output, REFERENCES, ends(OSError(errno.ENOSPC, "labels: no space left"))))
    with pytest.raises(BadStorage, match="runs"):
        list(keep_run(output, REFERENCES, ends()))


def error_raised(error: Exception) -> Receipt:
    raise error


def test_a_run_with_nothing_to_do_leaves_nothing(output: Place) -> None:
    assert list(keep_run(output, REFERENCES, [])) == []
    assert output.files() == {}


def test_references_come_back_as_they_were_drawn(output: Place) -> None:
    list(keep_run(output, REFERENCES, [receipt(output, 0)]))
    list(keep_run(output, REFERENCES, [receipt(output, 1)]))  # finds them kept
    (dog, jpeg), (cat, _) = read_references(output, most_per_category=5)
    assert isinstance(dog.annotation, Rle)
    assert dog.annotation.size == (40, 40)
    assert jpeg.startswith(b"\xff\xd8")
    assert (cat.category_id, cat.height, cat.width) == (CAT.id, 3000, 2000)
    assert cat.annotation == REFERENCES[1].annotation


def test_of_many_references_some_of_each_category_are_read(output: Place) -> None:
    image_HW3 = np.zeros((40, 40, 3), np.uint8)
    many = [
        LoadedReference(f"{n:012x}", (DOG.id, CAT.id)[n >= 8], image_HW3, MASK_HW)
        for n in range(10)
    ]
    list(keep_run(output, many, [receipt(output, 0)]))
    read = [reference.category_id for reference, _ in read_references(output, 2)]
    assert sorted(read) == [CAT.id] * 2 + [DOG.id] * 2
