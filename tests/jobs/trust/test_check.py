"""vrp check on drawn scenes: a bad reference among four is named, and what to expect is said."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from jobs.main import main
from pipeline.presence.pictures import Picture, scene_pictures

SHOWN = "gear"


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    """Three scenes with the category, and one with something else beside it."""
    drawn = [
        picture
        for picture in scene_pictures((SHOWN, "fish", "butterfly"), 24, 93)
        if SHOWN in picture.masks and picture.masks[SHOWN].mean() > 0.02
    ]
    crowded = next(p for p in drawn if other_of(p) is not None)
    return [*[p for p in drawn if p is not crowded][:3], crowded]


def other_of(picture: Picture) -> np.ndarray | None:
    large = [m for name, m in picture.masks.items() if name != SHOWN and m.mean() > 0.02]
    return large[0] if large else None


def write_job(folder: Path, pictures: list[Picture], masks: list[np.ndarray]) -> Path:
    references = []
    for number, (picture, mask_HW) in enumerate(zip(pictures, masks, strict=True)):
        Image.fromarray(picture.image_HW3).save(folder / f"{number}.png")
        Image.fromarray(mask_HW.astype(np.uint8) * 255).save(folder / f"{number}-mask.png")
        annotation = {"type": "mask", "uri": f"{number}-mask.png"}
        reference = {"category": SHOWN, "image": f"{number}.png", "annotation": annotation}
        references.append(reference)
    document = {
        "targets": {"type": "images", "uris": "nowhere"},
        "references": references,
        "method": {"type": "vrp", "weights": "lite-vrp"},
        "output": {"uri": "out"},
        "compute": {"precision": "fp32"},
    }
    job = folder / "job.yaml"
    job.write_text(yaml.safe_dump(document))
    return job


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VRP_CACHE", str(tmp_path / "cache"))


def checked(capsys: pytest.CaptureFixture[str], job: Path, *options: str, code: int = 0) -> dict:
    with pytest.raises(SystemExit) as ended:
        main(["check", str(job), "--json", "--sample", "0", *options])
    assert (ended.value.code or 0) == code
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_a_wrong_mask_among_four_references_is_named(
    tmp_path: Path,
    pictures: list[Picture],
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = other_of(pictures[3])
    assert wrong is not None
    masks = [picture.masks[SHOWN] for picture in pictures]
    job = write_job(tmp_path, pictures, [*masks[:3], wrong])
    said = checked(capsys, job, "--require", "iou=0.99", code=1)
    (bad,) = said["drop"]
    assert bad == said["references"][3]["id"]
    assert [f["kind"] for f in said["faults"] if f["reference"] == bad and f["drop"]] == [
        "contradicts"
    ]
    (category,) = said["categories"]
    assert category["without_dropped"]["iou"] > category["as_it_is"]["iou"] + 0.1
    assert not (tmp_path / "out").exists()


def test_good_references_are_kept_and_a_requirement_decides_the_exit_code(
    tmp_path: Path,
    pictures: list[Picture],
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = write_job(tmp_path, pictures, [picture.masks[SHOWN] for picture in pictures])
    said = checked(capsys, job, "--require", "iou=0.3")
    assert said["drop"] == []
    expected = said["categories"][0]["as_it_is"]
    assert expected["low"] <= expected["iou"] <= expected["high"]


@pytest.mark.parametrize("require", ["0.5", "iou=high", "f1=0.5", "iou=2"])
def test_a_requirement_that_is_none_is_refused(tmp_path: Path, require: str) -> None:
    mask = np.eye(8, dtype=bool)
    picture = Picture(np.zeros((8, 8, 3), np.uint8), {SHOWN: mask})
    with pytest.raises(SystemExit) as ended:
        main(["check", str(write_job(tmp_path, [picture], [mask])), "--require", require])
    assert ended.value.code == 2


def test_a_requirement_given_twice_is_refused_and_none_is_dropped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = np.eye(8, dtype=bool)
    job = write_job(tmp_path, [Picture(np.zeros((8, 8, 3), np.uint8), {SHOWN: mask})], [mask])
    with pytest.raises(SystemExit) as ended:
        main(["check", str(job), "--require", "iou=0.9", "--require", "iou=0.1"])
    assert ended.value.code == 2
    assert "iou=0.9 and iou=0.1" in capsys.readouterr().err


def test_a_page_shows_the_references_and_says_how_many_images_were_read(
    tmp_path: Path,
    pictures: list[Picture],
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = write_job(tmp_path, pictures[:2], [picture.masks[SHOWN] for picture in pictures[:2]])
    (tmp_path / "nowhere").mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture.image_HW3).save(tmp_path / "nowhere" / f"{number}.png")
    page = tmp_path / "check.html"
    said = checked(capsys, job, "--sample", "3", "--html", str(page))
    assert said["images"] == 3
    (category,) = said["categories"]
    assert set(category["next"]) <= {"0.png", "1.png", "2.png", "3.png"}
    text = page.read_text()
    assert "3 images of the collection were read" in text
    assert text.count("data:image/jpeg") == 2 + len(category["next"])
