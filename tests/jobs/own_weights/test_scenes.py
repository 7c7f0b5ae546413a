"""vrp lite scenes: pictures with their true masks, of the categories named."""

import json
from pathlib import Path

import pytest

from jobs.main import main


def scenes(*options: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["lite", "scenes", *options])
    assert isinstance(ended.value.code, int | None)
    return ended.value.code or 0


def test_scenes_lie_in_a_folder_beside_their_masks(tmp_path: Path) -> None:
    assert scenes(str(tmp_path), "--count", "2", "--categories", "mug,gear", "--size-px", "64") == 0
    truth = json.loads((tmp_path / "instances.json").read_text())
    assert [image["file_name"] for image in truth["images"]]
    assert all((tmp_path / "images" / image["file_name"]).is_file() for image in truth["images"])
    names = {category["id"]: category["name"] for category in truth["categories"]}
    shown = {names[one["category_id"]] for one in truth["annotations"]}
    assert shown
    assert shown <= {"mug", "gear"}


def test_a_category_that_is_none_is_refused_with_those_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scenes(str(tmp_path / "out"), "--categories", "mug,unicorn") == 2
    said = capsys.readouterr().err
    assert "unicorn" in said
    assert "reserved" in said
    assert not (tmp_path / "out").exists()
