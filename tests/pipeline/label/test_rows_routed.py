"""Label rows name the references behind each mask of an image asked with the best of many."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.label.rows import label_rows
from pipeline.output.audit import audit
from pipeline.output.committed import read_committed, read_labels
from pipeline.storage.place import Place
from schemas.job.storage import Storage
from schemas.record.row import DECIDED_COLUMNS, ROUTED_COLUMNS
from tests.made.outputs.committed import commit_units
from tests.made.outputs.predictions import KEEP, predicted

MASK = np.zeros((20, 30), bool)
MASK[5:15, 5:20] = True
BEHIND = (("b", 0.75), ("a", 0.25))


def test_a_row_names_the_chosen_references_and_what_each_weighs() -> None:
    chosen = replace(predicted(3, MASK), behind=BEHIND)
    (row,) = label_rows([chosen], MASK.shape, KEEP)
    assert (row["references"], row["reference_weights"]) == (["b", "a"], [0.75, 0.25])
    (row,) = label_rows([predicted(3, MASK)], MASK.shape, KEEP)
    assert row["references"] == ["r"]
    assert "reference_weights" not in row


def test_only_a_job_that_chooses_writes_the_column_and_its_output_is_whole(tmp_path: Path) -> None:
    about = {"image_id": "1.jpg", "uri": "/1.jpg", "exif_orientation": 1}
    chosen = replace(predicted(3, MASK), behind=BEHIND)
    rows = [about | row for row in label_rows([chosen, predicted(18, MASK)], MASK.shape, KEEP)]
    commit = commit_units(str(tmp_path), [(rows, [])])
    columns = pq.read_table(tmp_path / commit.parts[0].path).column_names
    assert set(ROUTED_COLUMNS) <= set(columns)
    assert not set(DECIDED_COLUMNS) & set(columns)
    output = Place.open(str(tmp_path), Storage())
    (table,) = read_labels(output, read_committed(output)[0])
    assert table["reference_weights"].to_pylist() == [pytest.approx([0.75, 0.25]), None]
    assert list(audit(output)) == []
