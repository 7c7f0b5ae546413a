"""Datasets of every layout become one kind of index; what is wrong with them is listed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydantic import TypeAdapter

from pipeline.datasets.annotation_files import check_photos
from pipeline.datasets.index import DatasetIndex, open_index
from pipeline.episodes.draw import draw_episode, make_pool
from pipeline.episodes.load import EpisodeReader
from schemas.errors import BadInput, BadStorage
from schemas.job.dataset import Dataset
from schemas.job.episode import EpisodeSettings
from schemas.job.storage import Storage
from tests.made.data.datasets import (
    HEIGHT,
    LARGE,
    SMALL,
    WIDTH,
    CocoFiles,
    filled,
    jpeg,
    png,
    polygon,
    rle_of,
    write,
    write_folder,
    write_voc,
)
from tests.made.servers.s3 import Bucket


def _open(
    dataset: dict[str, Any], index: Path | str, storage: Storage | None = None
) -> DatasetIndex:
    checked = TypeAdapter(Dataset).validate_python(dataset)
    return open_index(checked, str(index), storage or Storage())


def _problems(index: DatasetIndex) -> list[tuple[str, str]]:
    return [(row["image_id"], row["reason"]) for row in index.problems.to_pylist()]


def _mask(index: DatasetIndex, image_id: str, category: str) -> tuple[np.ndarray, np.ndarray]:
    image = index.images["image_id"].to_pylist().index(image_id)
    number = next(c.id for c in index.commit.categories if c.name == category)
    row = next(r for r in index.objects_of(image) if index.category_of_object[r] == number)
    return EpisodeReader(index, Storage()).masks(image, row)


def test_coco_annotations_of_a_category_become_one_mask_per_image(tmp_path: Path) -> None:
    coco = CocoFiles(tmp_path, ("cat", "dog"))
    coco.image(7, cat=LARGE, dog=SMALL)
    coco.annotate(7, "cat", rle_of(filled(SMALL)))
    uncompressed = {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT, HEIGHT * (WIDTH - 1)]}
    coco.annotate(7, "dog", uncompressed)
    index = _open(coco.save(), tmp_path / "index")
    cat_HW, ignore_HW = _mask(index, "7", "cat")
    assert np.array_equal(cat_HW, filled(LARGE) | filled(SMALL))
    assert not ignore_HW.any()
    dog_HW, _ = _mask(index, "7", "dog")
    assert np.array_equal(dog_HW, filled(SMALL) | filled((0, 0, HEIGHT, 1)))
    assert index.objects["area_px"].to_pylist() == [cat_HW.sum(), dog_HW.sum()]
    counts = [(c.id, c.name, c.images, c.present) for c in index.commit.categories]
    assert counts == [(1, "cat", 1, 1), (2, "dog", 1, 0)]
    assert index.commit.problems == 0


def test_coco_crowds_are_ignored_pixels_and_no_object(tmp_path: Path) -> None:
    coco = CocoFiles(tmp_path, ("cat", "dog"))
    coco.image(1, cat=LARGE)
    coco.annotate(1, "cat", rle_of(filled((0, 0, 20, 100))), iscrowd=1)
    coco.image(2)
    coco.annotate(2, "cat", rle_of(filled(LARGE)), iscrowd=1)
    index = _open(coco.save(), tmp_path / "index")
    mask_HW, ignore_HW = _mask(index, "1", "cat")
    assert np.array_equal(mask_HW, filled(LARGE))
    assert np.array_equal(ignore_HW, filled((0, 0, 20, 100)) & ~mask_HW)
    assert index.objects["state"].to_pylist() == ["shown", "unusable"]
    assert index.commit.categories[0].images == 1


def test_every_fault_of_a_coco_dataset_is_listed_and_the_rest_is_indexed(tmp_path: Path) -> None:
    coco = CocoFiles(tmp_path, ("cat",))
    for number in range(1, 9):
        coco.image(number, cat=LARGE)
    images = tmp_path / "images"
    (images / "000000000002.jpg").unlink()
    write(images / "000000000003.jpg", jpeg(3, (HEIGHT, WIDTH + 1)))
    write(images / "000000000004.jpg", b"not an image")
    write(images / "000000000008.jpg", jpeg(8)[:-40])
    coco.annotate(5, "cat", rle_of(filled(SMALL, (9, 9))))
    coco.document["annotations"].append(
        {"id": 90, "image_id": 6, "category_id": 8, "segmentation": [polygon(LARGE)]}
    )
    coco.document["annotations"].append({"id": 91, "image_id": 99, "category_id": 1})
    coco.document["images"].append(coco.document["images"][5])
    coco.annotate(7, "cat", [[1, 1, 2, 2], polygon(SMALL)])
    index = _open(coco.save(), tmp_path / "index")
    assert sorted(_problems(index)) == [
        ("2", "missing-image"),
        ("3", "misaligned"),
        ("4", "unreadable-image"),
        ("5", "bad-annotation"),
        ("6", "duplicate"),
        ("6", "unknown-category"),
        ("7", "bad-annotation"),
        ("8", "unreadable-image"),
        ("99", "bad-annotation"),
    ]
    assert index.images["image_id"].to_pylist() == ["1", "5", "6", "7"]
    # Image 5 shows more than what could be drawn; image 7 lost a line of no area.
    assert index.objects["state"].to_pylist() == ["shown", "unusable", "shown", "shown"]


def test_a_file_that_is_no_instances_json_is_refused(tmp_path: Path) -> None:
    dataset = {"type": "coco", "images": str(tmp_path), "instances": str(tmp_path / "a.json")}
    write(tmp_path / "a.json", b'{"images": [{"id": 1}], "annotations": [], "categories": []}')
    with pytest.raises(BadInput, match="lacks file_name"):
        _open(dataset, tmp_path / "index")


def test_voc_masks_give_a_row_per_class_and_255_is_ignored(tmp_path: Path) -> None:
    values_HW = filled(LARGE) * 8 + filled(SMALL) * 15
    values_HW[0] = 255
    dataset = write_voc(
        tmp_path, {"2007_1": values_HW, "2007_2": values_HW, "2007_3": 0 * values_HW}
    )
    index = _open(dataset, tmp_path / "index")
    for image_id in ("2007_1", "2007_2"):  # with and without a palette
        mask_HW, ignore_HW = _mask(index, image_id, "cat")
        assert np.array_equal(mask_HW, filled(LARGE))
        assert np.array_equal(ignore_HW, values_HW == 255)
    present = {c.name: (c.images, c.present) for c in index.commit.categories if c.images}
    assert present == {"cat": (2, 2), "person": (2, 0)}
    assert index.commit.images == 3


def test_voc_splits_may_list_paths(tmp_path: Path) -> None:
    dataset = write_voc(tmp_path, {"2007_1": filled(LARGE) * 3})
    line = b"/JPEGImages/2007_1.jpg /SegmentationClassAug/2007_1.png\n\n"
    write(tmp_path / "ImageSets/Segmentation/trainaug.txt", line)
    assert _open(dataset, tmp_path / "index").images["image_id"].to_pylist() == ["2007_1"]
    dotted = write_voc(tmp_path / "dotted", {"a.1": filled(LARGE), "a.2": filled(LARGE)})
    assert _open(dotted, tmp_path / "other").images["image_id"].to_pylist() == ["a.1", "a.2"]


def test_every_fault_of_a_voc_dataset_is_listed(tmp_path: Path) -> None:
    masks = {f"2007_{n}": filled(LARGE) * 3 for n in range(6)}
    dataset = write_voc(tmp_path, masks)
    (tmp_path / "JPEGImages/2007_0.jpg").unlink()
    (tmp_path / "SegmentationClassAug/2007_1.png").unlink()
    write(tmp_path / "SegmentationClassAug/2007_2.png", png(filled(LARGE)[1:]))
    write(tmp_path / "SegmentationClassAug/2007_3.png", png(filled(LARGE) * 21))
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "SegmentationClassAug/2007_4.png")
    index = _open(dataset, tmp_path / "index")
    assert _problems(index) == [
        ("2007_0", "missing-image"),
        ("2007_1", "missing-mask"),
        ("2007_2", "misaligned"),
        ("2007_3", "unknown-category"),
        ("2007_4", "unreadable-mask"),
    ]
    assert index.images["image_id"].to_pylist() == ["2007_5"]


def test_a_photo_in_two_class_folders_is_one_image_of_two_categories(tmp_path: Path) -> None:
    dataset = write_folder(tmp_path / "photos", {"a/hat": 2, "b/coat": 2})
    write(tmp_path / "photos/b/coat/0.jpg", (tmp_path / "photos/a/hat/0.jpg").read_bytes())
    index = _open(dataset, tmp_path / "index")
    assert index.images["image_id"].to_pylist() == ["a/hat/0.jpg", "a/hat/1.jpg", "b/coat/1.jpg"]
    assert [(c.id, c.name, c.present) for c in index.commit.categories] == [
        (1, "coat", 2),
        (2, "hat", 2),
    ]
    assert index.objects["image"].to_pylist() == [0, 0, 1, 2]


def test_every_fault_of_a_folder_is_listed(tmp_path: Path) -> None:
    dataset = write_folder(tmp_path / "photos", {"cat": 6})
    cats = tmp_path / "photos/cat"
    (cats / "0.png").unlink()
    (cats / "1.jpg").unlink()
    write(cats / "2.png", png(filled(LARGE)[:, 1:]))
    write(cats / "3.png", png(filled(LARGE) * 0))
    write(cats / "4.jpg", (cats / "5.jpg").read_bytes())
    write(tmp_path / "photos/README.md", b"not part of it")
    index = _open(dataset, tmp_path / "index")
    assert sorted(_problems(index)) == [
        ("cat/0.jpg", "missing-mask"),
        ("cat/1.png", "missing-image"),
        ("cat/2.jpg", "misaligned"),
        ("cat/3.jpg", "empty-mask"),
        ("cat/5.jpg", "duplicate"),
    ]


def test_masks_may_lie_in_a_tree_of_their_own_in_any_colour(tmp_path: Path) -> None:
    write(tmp_path / "Images/duck/00.jpg", jpeg(1))
    colours_HW3 = np.stack([filled(LARGE) * 0, filled(LARGE) * 128, filled(SMALL) * 9], axis=-1)
    write(tmp_path / "Annotations/duck/00.png", png(colours_HW3))
    dataset = {"type": "folder", "root": f"{tmp_path}/Images", "masks": f"{tmp_path}/Annotations"}
    index = _open(dataset, tmp_path / "index")
    mask_HW, _ = _mask(index, "duck/00.jpg", "duck")
    assert np.array_equal(mask_HW, filled(LARGE) | filled(SMALL))


def test_sizes_are_those_of_the_displayed_image(tmp_path: Path) -> None:
    write(tmp_path / "p/cat/0.jpg", jpeg(0, orientation=6))
    write(tmp_path / "p/cat/0.png", png(filled(LARGE)))
    index = _open({"type": "folder", "root": f"{tmp_path}/p"}, tmp_path / "index")
    assert index.images.to_pylist()[0]["height"] == HEIGHT
    assert index.commit.problems == 0


def test_an_index_is_built_once_and_read_back_the_same(tmp_path: Path) -> None:
    dataset = write_folder(tmp_path / "photos", {"cat": 2})
    built = _open(dataset, tmp_path / "index")
    (tmp_path / "photos/cat/0.jpg").unlink()
    read = _open(dataset, tmp_path / "index")
    assert read.commit == built.commit
    assert read.images.equals(built.images)
    assert read.objects.equals(built.objects)


def test_an_index_from_before_it_kept_hashes_is_read_and_scored(tmp_path: Path) -> None:
    dataset = write_folder(tmp_path / "photos", {"cat": 2})
    _open(dataset, tmp_path / "index")
    commit = json.loads((tmp_path / "index/index.json").read_text())
    for name in ("images", "objects"):
        path = tmp_path / f"index/{name}.parquet"
        table = pq.read_table(path)
        kept = [n for n in table.column_names if not n.endswith(("_sha256", "_bytes"))]
        pq.write_table(table.select(kept), path)
        commit["sha256"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    write(tmp_path / "index/index.json", json.dumps(commit).encode())
    index = _open(dataset, tmp_path / "index")
    assert index.images["image_sha256"].to_pylist() == [None, None]
    check_photos(index.images, Storage(), str(tmp_path / "index"))
    pool = make_pool(index, [1], EpisodeSettings())
    loaded = EpisodeReader(index, Storage()).load(draw_episode(pool, 0, 0, 0))
    assert np.array_equal(loaded.mask_HW, filled(LARGE))


def test_an_index_of_another_dataset_is_refused(tmp_path: Path) -> None:
    _open(write_folder(tmp_path / "a", {"cat": 2}), tmp_path / "index")
    with pytest.raises(BadInput, match="another dataset"):
        _open(write_folder(tmp_path / "b", {"cat": 2}), tmp_path / "index")


def test_an_index_whose_table_was_exchanged_is_refused(tmp_path: Path) -> None:
    dataset = write_folder(tmp_path / "a", {"cat": 2})
    _open(dataset, tmp_path / "index")
    write(tmp_path / "index/objects.parquet", b"other bytes")
    with pytest.raises(BadStorage, match="index file has changed"):
        _open(dataset, tmp_path / "index")


def test_a_coco_dataset_and_its_index_may_lie_on_s3(tmp_path: Path, bucket: Bucket) -> None:
    coco = CocoFiles(tmp_path, ("cat",))
    coco.image(1, cat=LARGE)
    local = coco.save()
    bucket.put("coco/images/000000000001.jpg", (tmp_path / "images/000000000001.jpg").read_bytes())
    bucket.put("coco/instances.json", Path(local["instances"]).read_bytes())
    dataset = {
        "type": "coco",
        "images": f"{bucket.uri}/coco/images",
        "instances": f"{bucket.uri}/coco/instances.json",
    }
    index = _open(dataset, f"{bucket.uri}/index", bucket.storage)
    assert index.images["image_uri"].to_pylist() == [f"{bucket.uri}/coco/images/000000000001.jpg"]
    again = _open(dataset, f"{bucket.uri}/index", bucket.storage)
    assert again.commit == index.commit


def test_two_categories_of_one_name_are_refused(tmp_path: Path) -> None:
    coco = CocoFiles(tmp_path, ("cat", "cat"))
    with pytest.raises(BadInput, match="listed twice"):
        _open(coco.save(), tmp_path / "index")
    assert not (tmp_path / "index").exists()
