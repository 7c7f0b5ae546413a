"""Units on storage: written once, whatever the race; the footer says what belongs together."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.output.unit import UnitName, list_units, read_part, write_unit
from pipeline.storage.place import Place
from schemas.errors import BadStorage
from schemas.job.storage import Storage
from tests.made.outputs.rows import label, rejected

UNIT = UnitName("0123456789abcdef", 3, last=True)


@pytest.fixture
def output(tmp_path: Path) -> Place:
    return Place.open(str(tmp_path / "out"), Storage())


def test_a_unit_is_found_again_by_its_name(output: Place) -> None:
    write_unit(output, UNIT, [label("a"), label("b", "empty")], [rejected("c")], images=3)
    assert list_units(output) == {UNIT}


def test_a_unit_written_twice_keeps_the_first_rows(output: Place) -> None:
    first = write_unit(output, UNIT, [label("a")], [], images=1)
    second = write_unit(output, UNIT, [label("a", "empty")], [], images=1)
    assert second == first
    assert first.labelled == 1


def test_of_many_writers_of_one_unit_all_return_the_part_that_counts(output: Place) -> None:
    def write(number: int):
        rows = [label("a")] if number % 2 else []
        faults = [] if number % 2 else [rejected("a")]
        return write_unit(output, UNIT, rows, faults, images=1)

    with ThreadPoolExecutor(8) as pool:
        parts = list(pool.map(write, range(16)))
    assert len({part.model_dump_json() for part in parts}) == 1
    assert read_part(output, f"labels/{UNIT}.parquet") == parts[0]


def test_the_footer_names_the_rejected_rows_of_its_own_try(output: Place) -> None:
    part = write_unit(output, UNIT, [label("a")], [rejected("b")], images=2)
    late = [rejected("a"), rejected("b")]
    write_unit(output, UNIT, [], late, images=2)
    assert part.rejected_path is not None
    assert pq.read_table(f"{output.path}/{part.rejected_path}")["image_id"].to_pylist() == ["b"]
    assert read_part(output, part.path).rejected_path == part.rejected_path


def test_a_unit_of_rejected_images_alone_is_committed(output: Place) -> None:
    part = write_unit(output, UNIT, [], [rejected("a")], images=1)
    assert (part.rows, part.rejected, part.images) == (0, 1, 1)


def test_a_unit_that_lost_an_image_is_not_written(output: Place) -> None:
    with pytest.raises(AssertionError, match="2 images"):
        write_unit(output, UNIT, [label("a")], [], images=2)
    assert list_units(output) == set()


def test_strange_files_beside_the_parts_are_not_units(output: Place) -> None:
    output.below("labels/notes.parquet").replace(b"")
    assert list_units(output) == set()


def test_a_part_cut_short_is_named(output: Place) -> None:
    part = write_unit(output, UNIT, [label("a")], [], images=1)
    path = Path(output.path, part.path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadStorage, match=UNIT.shard_id):
        read_part(output, part.path)
