"""A commit's rows, and no others, become Parquet files with a card."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.export import parquet
from pipeline.export.parquet import ADDED, export_parquet
from pipeline.export.selection import Selection
from pipeline.storage.place import Place
from schemas.errors import BadInput
from schemas.job.storage import Storage
from schemas.record.row import PLAIN_SCHEMA
from tests.made.data.datasets import filled
from tests.made.outputs.committed import commit_units, label_rows, rejected_row
from tests.made.servers.s3 import Bucket

EMPTY = filled((0, 0, 0, 0))
BIG, SMALL = filled((8, 8, 68, 68)), filled((70, 80, 78, 90))
UNITS = [
    (label_rows("b/1.jpg", {"cat": BIG, "dog": SMALL}), [rejected_row("b/2.jpg")]),
    (
        label_rows("a/1.jpg", {"cat": EMPTY, "dog": EMPTY})
        + label_rows("a/2.jpg", {"cat": SMALL, "dog": EMPTY}),
        [],
    ),
]


def test_the_files_hold_the_committed_rows_alone(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), UNITS)
    labels = tmp_path / "out/labels"
    (labels / f"{9:016x}-00000-last.parquet").write_bytes(next(labels.iterdir()).read_bytes())
    exported = export_parquet(str(tmp_path / "out"), Storage(), str(tmp_path / "to"))
    assert (exported.images, exported.masks, exported.rejected) == (3, 3, 1)
    table = pq.read_table(tmp_path / "to/data")
    assert table.schema.equals(pa.schema([*ADDED, *PLAIN_SCHEMA]))
    assert table["image_number"].to_pylist() == [1, 1, 3, 3, 4, 4]
    assert table["file_name"].to_pylist()[::2] == ["b/1.jpg", "a/1.jpg", "a/2.jpg"]
    card = (tmp_path / "to/README.md").read_text().split("---\n")[1]
    (split,) = yaml.safe_load(card)["dataset_info"]["splits"]
    assert (split["name"], split["num_examples"]) == ("labels", 6)


def test_parts_go_to_several_files_where_they_are_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "FILE_BYTES", 1)
    commit_units(str(tmp_path / "out"), UNITS)
    export_parquet(str(tmp_path / "out"), Storage(), str(tmp_path / "to"))
    files = sorted((tmp_path / "to/data").iterdir())
    assert [pq.read_metadata(file).num_rows for file in files] == [2, 4]


def test_masks_of_low_score_have_no_row_and_empty_images_keep_theirs(tmp_path: Path) -> None:
    rows = label_rows("a", {"cat": BIG, "dog": EMPTY}, score=0.2)
    commit_units(str(tmp_path / "out"), [(rows + label_rows("b", {"cat": BIG, "dog": SMALL}), [])])
    selection = Selection(0.5, ("cat",))
    export_parquet(str(tmp_path / "out"), Storage(), str(tmp_path / "cat"), selection)
    assert pq.read_table(tmp_path / "cat/data")["image_id"].to_pylist() == ["b"]
    export_parquet(str(tmp_path / "out"), Storage(), str(tmp_path / "all"), Selection(0.5))
    assert pq.read_table(tmp_path / "all/data")["image_id"].to_pylist() == ["a", "b", "b"]


def test_an_export_again_after_a_retry_replaces_the_files(tmp_path: Path, bucket: Bucket) -> None:
    before = [(label_rows("a", {"cat": BIG, "dog": EMPTY}), [rejected_row("b")])]
    after = [(before[0][0] + label_rows("b", {"cat": BIG, "dog": EMPTY}), [])]
    for name, units in (("before", before), ("after", after)):
        commit_units(f"{bucket.uri}/{name}", units, storage=bucket.storage)
        export_parquet(f"{bucket.uri}/{name}", bucket.storage, f"{bucket.uri}/to")
    data = Place.open(f"{bucket.uri}/to/data/00000.parquet", bucket.storage).read()
    (tmp_path / "a.parquet").write_bytes(data)
    assert pq.read_table(tmp_path / "a.parquet")["image_number"].to_pylist() == [1, 1, 2, 2]


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), UNITS)
    (tmp_path / "to").mkdir()
    (tmp_path / "to/notes.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"notes\.txt"):
        export_parquet(str(tmp_path / "out"), Storage(), str(tmp_path / "to"))


def test_a_unit_of_rejected_images_alone_ends_no_export(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), [*UNITS, ([], [rejected_row("c")])])
    exported = export_parquet(str(tmp_path / "out"), Storage(), str(tmp_path / "to"))
    assert (exported.images, exported.rejected) == (3, 2)
    assert pq.read_table(tmp_path / "to/data").num_rows == 6
