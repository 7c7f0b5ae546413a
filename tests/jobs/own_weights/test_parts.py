"""vrp lite parts: a file for each training photo, none for those that are held out."""

import json
from pathlib import Path

from PIL import Image
from typer.testing import CliRunner

from jobs.own_weights.lite import lite_app
from pipeline.scenes.compose import scene

LITE = ["--sam", "lite-sam", "--sam-type", "lite"]


def test_parts_of_training_photos_are_looked_for_once(tmp_path: Path) -> None:
    photos, parts = tmp_path / "photos", tmp_path / "parts"
    for number, category in enumerate(("mug", "mug", "gear")):
        drawn = scene(3, number, (category,), 256)
        (photos / category).mkdir(parents=True, exist_ok=True)
        Image.fromarray(drawn.image_HW3).save(photos / category / f"{number}.jpg")
        Image.fromarray(drawn.mask_of(category)).save(photos / category / f"{number}.png")
    asked = ["parts", str(parts), "--photos", str(photos), "--held-out", "gear", *LITE]
    result = CliRunner().invoke(lite_app, asked)
    assert result.exit_code == 0, result.output
    assert "of 2 photos, 0 were done" in result.output
    assert sorted(path.name for path in parts.iterdir()) == ["0.json", "1.json"]
    assert all(isinstance(json.loads(path.read_text()), list) for path in parts.iterdir())
    again = CliRunner().invoke(lite_app, asked)
    assert "0 parts of 0 photos, 2 were done" in again.output
