"""Data sets in the layouts that distributors ship: found, counted, and what they lack said."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from jobs.datasets import datasets_app
from pipeline.datasets.check import Checked, check_dataset
from pipeline.datasets.index import DatasetIndex, open_index
from pipeline.datasets.layouts import LAYOUTS
from pipeline.episodes.draw import draw_episode, make_pool
from pipeline.episodes.folds import split
from pipeline.episodes.load import EpisodeReader
from schemas.errors import BadInput
from schemas.fold import FOLDS_OF
from schemas.job.episode import EpisodeSettings
from schemas.job.storage import Storage
from schemas.names import LayoutName
from tests.made.data import layouts as made
from tests.made.data.datasets import LARGE, SMALL, filled, write_folder

LAYOUTS_MADE: dict[LayoutName, Callable[[Path], None]] = {
    "coco20i": made.coco20i,
    "pascal5i": made.pascal5i,
    "fss1000": made.fss1000,
    "perseg": made.perseg,
    "lvis92i": made.lvis,
    "pascal_part": made.pascal_part,
    "paco_part": made.paco,
    "davis2017": made.davis,
}
# images, photos, classes, masks
COUNTS = {
    "coco20i": (2, 2, 2, 2),
    "pascal5i": (2, 2, 20, 2),
    "fss1000": (10, 10, 1, 10),
    "perseg": (6, 6, 2, 6),
    "lvis92i": (3, 3, 23, 45),
    "pascal_part": (4, 2, 3, 6),
    "paco_part": (3, 2, 2, 6),
    "davis2017": (6, 6, 3, 8),
}


def _check(root: Path, layout: LayoutName | None = None, split: str | None = None) -> Checked:
    return check_dataset(str(root), Storage(), layout, split)


def _index(root: Path, tmp_path: Path, layout: LayoutName) -> DatasetIndex:
    return open_index(_check(root, layout).dataset, str(tmp_path / "index"), Storage())


@pytest.mark.parametrize("layout", LAYOUTS_MADE)
def test_a_data_set_as_it_is_shipped_is_recognised_whole_and_counted(
    layout: LayoutName, tmp_path: Path
) -> None:
    LAYOUTS_MADE[layout](tmp_path)
    checked = _check(tmp_path)
    assert checked.layout == layout
    assert (checked.faults, list(checked.problems)) == ([], [])
    found = (checked.images, checked.photos, checked.classes, checked.masks)
    assert found == COUNTS[layout]


@pytest.mark.parametrize("layout", LAYOUTS_MADE)
def test_every_path_that_is_missing_is_named(layout: LayoutName, tmp_path: Path) -> None:
    LAYOUTS_MADE[layout](tmp_path)
    (tmp_path / "aside").mkdir()
    for number, path in enumerate(LAYOUTS[layout].paths):
        place, aside = tmp_path / path, tmp_path / "aside" / str(number)
        place.rename(aside)
        faults = _check(tmp_path, layout).faults
        wheres = [fault.where for fault in faults]
        assert str(place) in wheres, path
        (own,) = (fault for fault in faults if fault.where == str(place))
        assert own.got
        assert own.wanted
        aside.rename(place)


def test_a_missing_image_and_a_missing_mask_are_problems(tmp_path: Path) -> None:
    made.davis(tmp_path)
    (tmp_path / "JPEGImages/480p/bear/00001.jpg").unlink()
    (tmp_path / "Annotations/480p/dogs-jump/00002.png").unlink()
    checked = _check(tmp_path)
    assert checked.reasons == {"missing-mask": 1}  # a frame without an image is none
    assert checked.images == 4
    assert not checked.whole
    made.perseg(tmp_path / "p")
    (tmp_path / "p/Images/cat/01.jpg").unlink()
    assert _check(tmp_path / "p").reasons == {"missing-image": 1}


def test_a_folder_that_looks_like_nothing_is_refused_with_the_types_there_are(
    tmp_path: Path,
) -> None:
    with pytest.raises(BadInput, match="coco20i"):
        _check(tmp_path)
    write_folder(tmp_path, {"cat": 2})
    assert _check(tmp_path).layout == "folder"
    with pytest.raises(BadInput, match="split"):
        _check(tmp_path, "davis2017", "test")


def test_the_command_prints_what_is_there_and_a_job_s_dataset(tmp_path: Path) -> None:
    made.perseg(tmp_path)
    done = CliRunner().invoke(datasets_app, ["check", str(tmp_path), "--json"])
    assert done.exit_code == 0
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["type"], summary["images"], summary["whole"]) == ("perseg", 6, True)
    assert summary["dataset"]["masks"] == f"{tmp_path}/Annotations"
    (tmp_path / "Annotations/cat/02.png").unlink()
    done = CliRunner().invoke(datasets_app, ["check", str(tmp_path), "--type", "perseg"])
    assert done.exit_code == 1
    assert "missing-mask" in done.output


def test_fss_takes_the_classes_of_one_split_only(tmp_path: Path) -> None:
    made.fss1000(tmp_path)
    index = _index(tmp_path, tmp_path, "fss1000")
    assert [category.name for category in index.commit.categories] == ["zucchini"]
    assert _check(tmp_path, "fss1000", "train").images == 10


def test_lvis_knows_an_absence_only_where_it_is_said(tmp_path: Path) -> None:
    made.lvis(tmp_path)
    checked = _check(tmp_path)
    assert checked.states == {"shown": 45, "absent": 1}
    index = _index(tmp_path, tmp_path, "lvis92i")
    assert not index.commit.exhaustive


def test_lvis_deals_the_categories_of_two_images_to_ten_folds(tmp_path: Path) -> None:
    """22 of the 23 categories are in two images: two to each fold, two left over."""
    made.lvis(tmp_path)
    categories = _index(tmp_path, tmp_path, "lvis92i").commit.categories
    folds = [split("lvis92i", n, categories).novel for n in range(FOLDS_OF["lvis92i"])]
    assert folds[0] == (1, 11)
    assert folds[9] == (10, 20)
    assert not {21, 22, 23} & {number for fold in folds for number in fold}
    with pytest.raises(BadInput, match="0 to 9"):
        split("lvis92i", 10, categories)


def test_a_part_is_seen_in_the_box_of_its_object(tmp_path: Path) -> None:
    made.paco(tmp_path)
    index = _index(tmp_path, tmp_path, "paco_part")
    assert [category.name for category in index.commit.categories] == ["mug:body", "mug:handle"]
    images = index.images.to_pylist()
    assert [row["image_id"] for row in images] == ["1@1", "1@4", "2@7"]
    assert images[1]["crop_xyxy"] == [35, 25, 75, 65]
    assert (images[1]["height"], images[1]["width"]) == (40, 40)
    # HANDLE is rows 20-40, columns 30-50: of it rows 25-40 and columns 35-50 lie in this box.
    handles = [row for row in index.objects.to_pylist() if row["category_id"] == 2]
    assert [row["area_px"] for row in handles] == [400, 225, 400]
    reader = EpisodeReader(index, Storage())
    pool = make_pool(index, [2], EpisodeSettings(per_epoch=6, min_area_px=1))
    loaded = [reader.load(draw_episode(pool, 0, 0, number)) for number in range(6)]
    cut = next(one for one in loaded if one.episode.target_image == 1)
    assert cut.target_HW3.shape == (40, 40, 3)
    assert np.array_equal(cut.mask_HW, filled((0, 0, 15, 15), (40, 40)))
    assert len({one.target_sha256 for one in loaded}) == 3  # two of them of one photo


def test_pascal_parts_belong_to_the_fold_of_their_objects_group(tmp_path: Path) -> None:
    made.pascal_part(tmp_path)
    index = _index(tmp_path, tmp_path, "pascal_part")
    names = {category.id: category.name for category in index.commit.categories}
    assert list(names.values()) == ["cow:head", "cow:leg", "bus:wheel"]
    novel = [split("pascal_part", n, index.commit.categories).novel for n in range(4)]
    assert [[names[number] for number in fold] for fold in novel] == [
        ["cow:head", "cow:leg"],
        [],
        [],
        ["bus:wheel"],
    ]
    assert index.objects["area_px"].to_pylist() == [100, 200, 100] * 2


@pytest.mark.parametrize("year", [2016, 2017])
def test_the_first_frame_of_a_sequence_is_the_reference_of_all_others(
    year: int, tmp_path: Path
) -> None:
    made.davis(tmp_path)
    index = _index(tmp_path, tmp_path, "davis2016" if year == 2016 else "davis2017")
    names = [category.name for category in index.commit.categories]
    if year == 2016:
        assert names == ["bear", "dogs-jump"]
    else:
        assert names == ["bear/1", "dogs-jump/1", "dogs-jump/2"]
    ids = [category.id for category in index.commit.categories]
    pool = make_pool(index, ids, EpisodeSettings(per_epoch=2 * len(ids), min_area_px=1))
    frames = index.images.to_pylist()
    targets: dict[str, set[str]] = {name: set() for name in names}
    for number in range(2 * len(ids)):
        episode = draw_episode(pool, 0, 0, number)
        (reference,) = episode.references
        assert frames[int(index.image_of_object[reference.object])]["frame"] == 0
        targets[names[episode.category_id - 1]].add(frames[episode.target_image]["image_id"])
    for name, found in targets.items():
        sequence = name.partition("/")[0]
        hidden = {f"{sequence}/00001"} if name == "dogs-jump/2" else set()
        assert found == {f"{sequence}/00001", f"{sequence}/00002"} - hidden


def test_2016_asks_for_all_objects_of_a_frame_and_2017_for_each(tmp_path: Path) -> None:
    made.davis(tmp_path)
    both = (filled(LARGE) | filled(SMALL)).sum()
    year16 = open_index(_check(tmp_path, "davis2016").dataset, str(tmp_path / "a"), Storage())
    assert year16.objects["area_px"].to_pylist()[3] == both
    year17 = open_index(_check(tmp_path, "davis2017").dataset, str(tmp_path / "b"), Storage())
    reader = EpisodeReader(year17, Storage())
    rows = year17.objects.to_pylist()
    assert [row["state"] for row in rows].count("absent") == 1
    second = next(place for place, row in enumerate(rows) if row["category_id"] == 3)
    mask_HW, _ = reader.masks(rows[second]["image"], second)
    assert np.array_equal(mask_HW, filled(SMALL))


def test_several_references_of_a_sequence_are_refused(tmp_path: Path) -> None:
    made.perseg(tmp_path)
    index = _index(tmp_path, tmp_path, "perseg")
    with pytest.raises(BadInput, match="first image"):
        make_pool(index, [1], EpisodeSettings.model_validate({"references": {"max": 5}}))
    pool = make_pool(index, [1, 2], EpisodeSettings(per_epoch=4, min_area_px=1))
    episodes = [draw_episode(pool, 0, 0, number) for number in range(4)]
    names = index.images["image_id"].to_pylist()
    references = {names[int(index.image_of_object[e.references[0].object])] for e in episodes}
    assert references == {"backpack/00.jpg", "cat/00.jpg"}
    assert len({episode.target_image for episode in episodes}) == 4
