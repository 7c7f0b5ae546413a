"""vrp lite train, score and export: what cannot be trained on or scored is said before any work."""

from pathlib import Path

import pytest

from tests.made.jobs.commands import run
from tests.made.pixels.pictures import photo


def photos_of(folder: Path, *pairs: str) -> str:
    """Write photos, each `category/id`, all different ones; return the folder."""
    for number, pair in enumerate(pairs):
        shown = photo("x" * (number + 1), "", "it")
        (folder / pair).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{pair}.jpg").write_bytes(shown.jpeg)
        (folder / f"{pair}.png").write_bytes(shown.masks["it"])
    return str(folder)


@pytest.mark.parametrize(
    ("held_out", "said"),
    [
        ("spoon", "one group of them, shows"),
        ("cup,knife", "no photo shows"),
        ("cup,spoon", "no photo to train on"),
    ],
)
def test_photos_that_leave_nothing_to_train_on_or_to_score_by_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], held_out: str, said: str
) -> None:
    pairs = ["cup/1", "cup/2", "spoon/1"] + (["spoon/2"] if held_out == "cup,spoon" else [])
    photos = photos_of(tmp_path / "mine", *pairs)
    out = tmp_path / "out"
    code, _, error = run(
        capsys, "lite", "train", str(out), "--photos", photos, "--held-out", held_out
    )
    assert (code, said in error, out.exists()) == (2, True, False), error
