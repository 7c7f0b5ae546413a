"""A labeling job's file with its neighbours, and `vrp` run in this process."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.main import main
from tests.made.pixels.photos import photo


def photo_folder(tmp_path: Path) -> Path:
    """A job file and its neighbours: two photos to label, one reference."""
    (tmp_path / "photos").mkdir()
    for number in range(2):
        (tmp_path / "photos" / f"{number}.jpg").write_bytes(photo(number))
    (tmp_path / "ref.jpg").write_bytes(photo(9))
    return tmp_path


def write_job(folder: Path, **changes: Any) -> str:
    """Write a job of nano networks with random weights; return its path."""
    nano = {"type": "nano", "weights": "random"}
    box = {"type": "box", "xyxy": [1, 2, 30, 40]}
    document = {
        "targets": {"type": "images", "uris": "photos"},
        "references": [{"category": "cat", "image": "ref.jpg", "annotation": box}],
        "method": {"type": "vrp", "weights": "random", "sam": nano, "backbone": nano},
        "output": {"uri": "out"},
        "allow_random_weights": True,
        **changes,
    }
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(document))
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run a command; return its exit code and what it wrote to stdout and stderr."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    captured = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else int(code is not None)), captured.out, captured.err
