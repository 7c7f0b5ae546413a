"""Rows of a job that asks whether objects are there; those of all other jobs are as ever."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from model.presence.decide import Judge
from model.presence.signals import OF_FEATURES
from model.segmenter import Prediction
from pipeline.export.selection import Selection
from pipeline.label.rows import label_rows
from pipeline.output.audit import audit
from pipeline.output.committed import read_committed, read_labels
from pipeline.storage.place import Place
from schemas.job.storage import Storage
from schemas.record.presence import PresenceChoice
from schemas.record.row import DECIDED_COLUMNS, PLAIN_SCHEMA
from tests.made.data.datasets import filled
from tests.made.networks.presence import HEAD
from tests.made.outputs.committed import commit_units
from tests.made.outputs.predictions import KEEP, predicted

SIZE = (80, 100)
MASK = filled((8, 8, 38, 38))
CHOICE = PresenceChoice(
    head="", scale=1, shift=0, shown=0, absent=0, share=0.5, labelled_from=0.9, absent_below=0.2
)
ASKED = replace(KEEP, judge=Judge(HEAD, CHOICE))


def sure(odds: float, mask_HW: np.ndarray = MASK, category_id: int = 3) -> Prediction:
    """A prediction whose log-odds of presence are these."""
    none = dict.fromkeys(OF_FEATURES, 0.0)
    return replace(predicted(category_id, mask_HW), presence=odds, signals=none)


@pytest.mark.parametrize(
    ("odds", "decision", "status"),
    [(4.0, "labelled", "labelled"), (0.0, "review", "labelled"), (-4.0, "absent", "empty")],
)
def test_a_row_says_what_was_decided_and_how_probable_it_is(
    odds: float, decision: str, status: str
) -> None:
    (row,) = label_rows([sure(odds)], SIZE, ASKED)
    assert (row["decision"], row["status"]) == (decision, status)
    assert row["probability"] == pytest.approx(1 / (1 + np.exp(-odds)))


def test_what_is_probably_there_but_has_no_mask_is_for_review() -> None:
    (row,) = label_rows([sure(4.0, np.zeros(SIZE, bool))], SIZE, ASKED)
    assert (row["decision"], row["status"]) == ("review", "empty")


def test_the_argmax_of_overlaps_leaves_decisions_as_they_are() -> None:
    rows = label_rows(
        [sure(4.0), sure(0.0, category_id=18)], SIZE, replace(ASKED, overlaps="argmax")
    )
    assert [row["decision"] for row in rows] == ["labelled", "review"]


def test_an_overlap_goes_to_the_likelier_object_whatever_sam_says_of_the_masks() -> None:
    unlikely, likely = sure(1.0), sure(4.0, category_id=18)
    unlikely = replace(unlikely, score=0.99)
    context = replace(ASKED, overlaps="argmax")
    first, second = label_rows([unlikely, likely], SIZE, context)
    assert (first["area_px"], second["area_px"]) == (0, MASK.sum())
    first, second = label_rows([unlikely, likely], SIZE, replace(context, judge=None))
    assert (first["area_px"], second["area_px"]) == (MASK.sum(), 0)


def test_what_is_for_review_is_no_label_to_export() -> None:
    labelled, review = (label_rows([sure(odds)], SIZE, ASKED)[0] for odds in (4.0, 0.0))
    assert Selection().wants(labelled)
    assert not Selection().wants(review)


def test_only_a_job_that_asks_writes_the_columns_and_both_are_read(tmp_path: Path) -> None:
    about = {"image_id": "1.jpg", "uri": "/1.jpg", "exif_orientation": 1}
    for name, context in (("plain", KEEP), ("asked", ASKED)):
        rows = [about | row for row in label_rows([sure(4), sure(0, MASK, 18)], SIZE, context)]
        commit = commit_units(str(tmp_path / name), [(rows, [])])
        columns = pq.read_table(tmp_path / name / commit.parts[0].path).column_names
        assert (columns == PLAIN_SCHEMA.names) == (name == "plain")
        output = Place.open(str(tmp_path / name), Storage())
        (table,) = read_labels(output, read_committed(output)[0])
        assert set(DECIDED_COLUMNS) <= set(table.column_names)
        assert list(audit(output)) == []
