"""A commit becomes indexed PNGs that any reader of images takes for what they are."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.export.palette import voc_colour
from pipeline.export.png import export_png
from pipeline.export.safe_name import safe_name
from pipeline.storage.files import list_files, open_filesystem, read_bytes
from schemas.errors import BadInput, BadStorage
from schemas.job.storage import Storage
from tests.made.data.datasets import filled
from tests.made.outputs.committed import commit_units, label_rows, rejected_row
from tests.made.servers.s3 import Bucket

EMPTY = np.zeros((80, 100), bool)
BIG, SMALL = filled((8, 8, 68, 68)), filled((60, 60, 78, 90))
CAT, DOG = 1, 2  # palette indices, of category ids 3 and 18


def _rows(image_id: str, cat: float, dog: float) -> list[dict]:
    rows = label_rows(image_id, {"cat": BIG, "dog": SMALL})
    return [rows[0] | {"score": cat}, rows[1] | {"score": dog}]


UNITS = [
    (_rows("b/1.jpg", cat=0.5, dog=0.9), [rejected_row("b/2.jpg")]),
    (
        _rows("b/3.jpeg", cat=0.9, dog=0.5)
        + _rows("shard/key.v2", cat=0.7, dog=0.7)
        + label_rows("empty.png", {"cat": EMPTY, "dog": EMPTY}),
        [],
    ),
]


def _export(tmp_path: Path, palette: str = "voc") -> Path:
    commit_units(str(tmp_path / "out"), UNITS)
    export_png(str(tmp_path / "out"), Storage(), str(tmp_path / "png"), palette)
    return tmp_path / "png"


def _indices(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "P"
        return np.asarray(image)


def _painted(first: tuple[np.ndarray, int], second: tuple[np.ndarray, int]) -> np.ndarray:
    wanted = np.zeros((80, 100), np.uint8)
    for mask_HW, index in (first, second):
        wanted[mask_HW] = index
    return wanted


def test_a_pixel_of_two_masks_is_the_category_of_the_greater_score(tmp_path: Path) -> None:
    folder = _export(tmp_path)
    assert (BIG & SMALL).any()
    assert np.array_equal(_indices(folder / "b/1.png"), _painted((BIG, CAT), (SMALL, DOG)))
    assert np.array_equal(_indices(folder / "b/3.png"), _painted((SMALL, DOG), (BIG, CAT)))


def test_of_two_equal_scores_the_smaller_category_id_wins(tmp_path: Path) -> None:
    found = _indices(_export(tmp_path) / "shard/key.v2.png")
    assert np.array_equal(found, _painted((SMALL, DOG), (BIG, CAT)))


def test_an_image_without_objects_is_all_background_and_a_rejected_one_is_left_out(
    tmp_path: Path,
) -> None:
    folder = _export(tmp_path)
    assert not _indices(folder / "empty.png").any()
    names = set(list_files(*open_filesystem(str(folder), Storage())))
    assert names == {"legend.json", "b/1.png", "b/3.png", "shard/key.v2.png", "empty.png"} | {
        "rejected.json"
    }


def test_the_legend_says_which_index_is_which_category_in_vocs_colours(tmp_path: Path) -> None:
    folder = _export(tmp_path)
    entries = json.loads((folder / "legend.json").read_text())["entries"]
    assert entries == [
        {"index": 0, "category_id": None, "name": "background", "colour": "#000000"},
        {"index": 1, "category_id": 3, "name": "cat", "colour": "#800000"},
        {"index": 2, "category_id": 18, "name": "dog", "colour": "#008000"},
    ]
    with Image.open(folder / "b/1.png") as image:
        assert image.convert("RGB").getpixel((10, 10)) == (128, 0, 0)


def test_few_categories_have_eight_bits_a_pixel_as_many_do(tmp_path: Path) -> None:
    header = (_export(tmp_path) / "b/1.png").read_bytes()[:26]
    assert header[24] == 8  # the bit depth, of IHDR


def test_the_suffix_of_every_image_format_is_exchanged() -> None:
    names = ["a/pic.avif", "pic.JFIF", "pic.HEIC", "pic", "key.v2", "scenes-0/1.png"]
    assert [safe_name(name, ".png") for name in names] == [
        "a/pic.png", "pic.png", "pic.png", "pic.png", "key.v2.png", "scenes-0/1.png",
    ]  # fmt: skip


def test_vocs_colours_are_those_its_masks_have() -> None:
    # VOC 2012: aeroplane, person, tvmonitor, and the border that is ignored.
    assert [voc_colour(n) for n in (1, 15, 20, 255)] == [
        (128, 0, 0),
        (192, 128, 128),
        (0, 64, 128),
        (224, 224, 192),
    ]


def test_a_palette_of_ones_own_names_every_category(tmp_path: Path) -> None:
    palette = tmp_path / "palette.json"
    palette.write_text('{"cat": "#102030", "dog": "#ff8800", "background": "#ffffff"}')
    folder = _export(tmp_path, str(palette))
    with Image.open(folder / "b/1.png") as image:
        assert image.convert("RGB").getpixel((10, 10)) == (16, 32, 48)
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    palette.write_text('{"cat": "#102030"}')
    with pytest.raises(BadInput, match="none for dog"):
        export_png(str(tmp_path / "out"), Storage(), str(tmp_path / "other"), str(palette))
    for wrong in ('{"cat": "red"}', "[]", "{"):
        palette.write_text(wrong)
        with pytest.raises(BadInput, match="palette that cannot be read"):
            export_png(str(tmp_path / "out"), Storage(), str(tmp_path / "other"), str(palette))


def test_an_export_cut_short_is_finished_by_the_same_command(tmp_path: Path) -> None:
    folder = _export(tmp_path)
    before = (folder / "b/1.png").read_bytes()
    (folder / "b/1.png").unlink()
    assert (_export(tmp_path) / "b/1.png").read_bytes() == before


def test_a_folder_of_another_export_is_refused_before_a_mask_is_written(tmp_path: Path) -> None:
    (tmp_path / "png").mkdir()
    (tmp_path / "png/legend.json").write_text("{}")
    with pytest.raises(BadInput, match=r"legend\.json"):
        _export(tmp_path)
    assert [path.name for path in (tmp_path / "png").iterdir()] == ["legend.json"]


def test_images_that_differ_in_their_suffix_alone_have_each_their_own_png(tmp_path: Path) -> None:
    rows = _rows("1.jpg", 0.5, 0.9) + _rows("1.png", 0.9, 0.5) + _rows("2.png", 0.5, 0.9)
    commit_units(str(tmp_path / "out"), [(rows, [])])
    for _ in range(2):
        export_png(str(tmp_path / "out"), Storage(), str(tmp_path / "png"))
    made = sorted(path.name for path in (tmp_path / "png").glob("*.png"))
    assert made == ["1.png", "1.png.png", "2.png"]
    dog_above, cat_above = (_indices(tmp_path / "png" / name) for name in made[:2])
    assert (dog_above[65, 65], cat_above[65, 65]) == (DOG, CAT)


def test_two_images_of_one_file_name_are_refused(tmp_path: Path) -> None:
    rows = [row for name in ("1", "2", "3") for row in _rows(name, float(name) / 4, 0.6)]
    rows = [row | {"uri": "s3://b/val/x.jpg"} for row in rows]
    commit_units(str(tmp_path / "out"), [(rows, [])], source="coco")
    with pytest.raises(BadInput, match="two images of one name"):
        export_png(str(tmp_path / "out"), Storage(), str(tmp_path / "png"))


@pytest.mark.parametrize(
    "image_id",
    ["../1.jpg", "/etc/1.jpg", "a//1.jpg", "a/./1.jpg", "a\\..\\1.jpg", "a\n.jpg", "",
     "a/..", "x" * 252],
)  # fmt: skip
def test_an_id_that_could_leave_the_folder_is_refused(image_id: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not safe"):
        safe_name(image_id, ".png")
    rows = _rows("fine.jpg", 0.5, 0.9) + _rows(image_id, 0.5, 0.9)
    commit_units(str(tmp_path / "out"), [(rows, [])])
    with pytest.raises(BadInput, match="not safe"):
        export_png(str(tmp_path / "out"), Storage(), str(tmp_path / "png"))
    assert [path.name for path in (tmp_path / "png").iterdir()] == ["legend.json"]


def test_images_of_a_coco_source_are_named_after_their_files(tmp_path: Path) -> None:
    rows = label_rows("139", {"cat": BIG, "dog": EMPTY}, uri="s3://b/val/000000000139.jpg")
    commit_units(str(tmp_path / "out"), [(rows, [])], source="coco")
    export_png(str(tmp_path / "out"), Storage(), str(tmp_path / "png"))
    assert (tmp_path / "png/000000000139.png").exists()


def test_an_output_without_a_commit_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(BadStorage, match="without a commit"):
        export_png(str(tmp_path / "out"), Storage(), str(tmp_path / "png"))
    assert not (tmp_path / "png").exists()


def test_pngs_on_s3_are_those_of_a_local_folder(tmp_path: Path, bucket: Bucket) -> None:
    folder = _export(tmp_path)
    commit_units(f"{bucket.uri}/out", UNITS, storage=bucket.storage)
    for _ in range(2):  # the second finds the first's files
        export_png(f"{bucket.uri}/out", bucket.storage, f"{bucket.uri}/png")
    data = read_bytes(*open_filesystem(f"{bucket.uri}/png/b/1.png", bucket.storage))
    assert data == (folder / "b/1.png").read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (100, 80)
