"""What annotators' tools are given where names, splits and folders meet."""

import json
from pathlib import Path

import pytest

from pipeline.export.annotators.cvat import export_cvat
from pipeline.export.annotators.labelme import export_labelme
from pipeline.export.annotators.yolo import Yolo, export_yolo
from pipeline.export.polygons import EXACT_PX, Outlines
from pipeline.export.selection import Selection
from schemas.errors import BadInput
from schemas.job.storage import Storage
from tests.made.outputs.committed import commit_units
from tests.made.outputs.labels import CAT, NOTHING, row

ALL = Selection()
OUTLINES = Outlines(EXACT_PX, cv2=None)  # no mask here has an outline


def _commit(output: Path, *names: str) -> str:
    commit_units(str(output), [([row(name, CAT, NOTHING) for name in names], [])])
    return str(output)


def test_labelmes_file_of_an_image_is_not_the_list_of_rejected_ones(tmp_path: Path) -> None:
    output, to = _commit(tmp_path / "out", "rejected.jpg"), tmp_path / "to"
    for _ in range(2):
        export_labelme(output, Storage(), str(to), ALL, OUTLINES)
    assert json.loads((to / "rejected.jpg.json").read_text())["shapes"] == []
    assert json.loads((to / "rejected.json").read_text())["rejected"] == []


def test_another_split_is_not_mixed_into_yolos_folder(tmp_path: Path) -> None:
    output, to = _commit(tmp_path / "out", *"abcdef"), str(tmp_path / "to")
    wanted = (ALL, OUTLINES)
    for _ in range(2):
        export_yolo(output, Storage(), to, *wanted, Yolo(0.2, with_images=False))
    with pytest.raises(BadInput, match="already, with other contents"):
        export_yolo(output, Storage(), to, *wanted, Yolo(0.6, with_images=False))


def test_a_name_that_xml_cannot_hold_is_refused(tmp_path: Path) -> None:
    output = _commit(tmp_path / "out", "bad\x01name.jpg")
    with pytest.raises(BadInput, match="not safe"):
        export_cvat(output, Storage(), str(tmp_path / "to.xml"), ALL)
    assert not (tmp_path / "to.xml").exists()
