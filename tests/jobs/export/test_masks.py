"""What an operator types to export, and sees."""

import json
from pathlib import Path

from typer.testing import CliRunner

from jobs.export.masks import export_app
from schemas.errors import BadStorage
from tests.made.data.datasets import filled
from tests.made.outputs.committed import commit_units, label_rows

CAT = {"cat": filled((8, 8, 68, 68)), "dog": filled((0, 0, 0, 0))}


def test_the_command_writes_the_file_and_prints_what_is_in_it(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), [(label_rows("1.jpg", CAT), [])])
    to = str(tmp_path / "coco.json")
    done = CliRunner().invoke(export_app, ["coco", str(tmp_path / "out"), "--to", to, "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "images": 1,
        "masks": 1,
        "rejected": 0,
        "unsettled": 0,
        "exif_turned": 0,
        "to": to,
    }
    assert len(json.loads(Path(to).read_text())["annotations"]) == 1


def test_the_png_command_writes_a_folder_with_a_legend(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), [(label_rows("1.jpg", CAT), [])])
    to = str(tmp_path / "png")
    done = CliRunner().invoke(export_app, ["png", str(tmp_path / "out"), "--to", to, "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["images"] == 1
    names = {path.name for path in Path(to).iterdir()}
    assert names == {"1.png", "legend.json", "rejected.json"}


def test_an_output_that_is_not_there_is_the_users_error(tmp_path: Path) -> None:
    arguments = ["coco", str(tmp_path / "out"), "--to", str(tmp_path / "coco.json")]
    done = CliRunner().invoke(export_app, arguments)
    assert isinstance(done.exception, BadStorage)  # which `vrp` turns into exit code 2
