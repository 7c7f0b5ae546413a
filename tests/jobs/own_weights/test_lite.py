"""vrp lite train, score and export: what cannot be trained on or scored is said before any work."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.networks.lite.trunk import build_trunk
from pipeline.lite.photos import Origin, begun_with, hold_out, origin_of, read_photos
from pipeline.lite.train import LiteLearner, LiteRecipe
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


PAIRS = ("cup/1", "cup/2", "spoon/1", "spoon/2", "fork/1")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Photos to train on."""
    return Path(photos_of(tmp_path / "mine", *PAIRS))


def write_checkpoint(folder: Path, origin: Origin | None) -> None:
    """Write a training's checkpoint after one step."""
    folder.mkdir()
    learner = LiteLearner(build_trunk(), replace(LiteRecipe(), bank=3), torch.device("cpu"))
    learner.step, learner.origin = 1, origin
    learner.save(folder / "lite.pt")


def origin(photos: Path) -> Origin:
    """What `vrp lite train` keeps with cups held out."""
    training, _ = hold_out(read_photos(photos), ["cup"])
    return {**origin_of(training, ["cup"]), **begun_with({}, "nothing", 1)}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--held-out", "spoon"], "held out: cup"),
        (["--held-out", "cup", "--seed", "2"], "seed: 1"),
        (["--held-out", "cup", "--start", "lite"], "start: nothing"),
    ],
)
def test_a_training_is_not_gone_on_with_as_another(
    tmp_path: Path, mine: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    out = tmp_path / "out"
    write_checkpoint(out, origin(mine))
    code, _, error = run(capsys, "lite", "train", str(out), "--photos", str(mine), *options)
    assert (code, said in error) == (2, True), error


def test_a_training_is_not_gone_on_with_on_other_photos(
    tmp_path: Path, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    write_checkpoint(out, origin(mine))
    photos_of(mine, *PAIRS, "fork/2")
    options = ["--photos", str(mine), "--held-out", "cup"]
    code, _, error = run(capsys, "lite", "train", str(out), *options)
    assert (code, "photos: 4 to train on" in error, "photos: 3" in error) == (2, True, True), error


def test_what_was_trained_on_is_neither_scored_nor_exported_as_held_out(
    tmp_path: Path, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, weights = tmp_path / "out", tmp_path / "weights"
    write_checkpoint(out, origin(mine))
    options = ["--photos", str(mine), "--held-out", "spoon"]
    assert run(capsys, "lite", "score", str(out), *options)[0] == 2
    assert run(capsys, "lite", "export", str(out), str(weights), *options)[0] == 2
    assert not weights.exists()


@pytest.mark.parametrize("version", ["of before", "now"])
def test_the_same_training_goes_on_one_of_an_earlier_version_too(
    tmp_path: Path, mine: Path, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    out = tmp_path / "out"
    write_checkpoint(out, origin(mine) if version == "now" else None)
    options = ["--photos", str(mine), "--held-out", "cup", "--steps", "1"]
    assert run(capsys, "lite", "train", str(out), *options)[0] == 0


def test_weights_of_an_earlier_version_are_exported_with_a_word_of_warning(
    tmp_path: Path, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, weights = tmp_path / "out", tmp_path / "weights"
    write_checkpoint(out, None)
    options = ["--photos", str(mine), "--held-out", ""]
    code, _, error = run(capsys, "lite", "export", str(out), str(weights), *options)
    assert (code, "does not say what it was trained on" in error) == (0, True), error
    assert (weights / "lite-vrp.safetensors").is_file()
