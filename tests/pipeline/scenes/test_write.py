"""Scenes as files: a COCO document that matches the pixels, and shards that are the same twice."""

import json
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from pipeline.scenes.categories import RESERVED
from pipeline.scenes.compose import scene
from pipeline.scenes.write import CATEGORY_IDS, SceneSet, write_folder, write_shards

SCENES = SceneSet(seed=5, count=5, categories=RESERVED, size_px=(48, 64))


def test_the_coco_file_holds_the_exact_masks(tmp_path: Path) -> None:
    document = json.loads(write_folder(SCENES, tmp_path).read_text())
    drawn = [scene(5, index, RESERVED, (48, 64)) for index in range(5)]
    assert [i["file_name"] for i in document["images"]] == [f"{n:06d}.jpg" for n in range(5)]
    annotations = iter(document["annotations"])
    for number, one in enumerate(drawn, start=1):
        for name, mask_HW in one.instances:
            entry = next(annotations)
            assert (entry["image_id"], entry["category_id"]) == (number, CATEGORY_IDS[name])
            np.testing.assert_array_equal(coco_mask.decode(entry["segmentation"]) > 0, mask_HW)
            assert entry["area"] == mask_HW.sum()
    assert next(annotations, None) is None


def test_images_of_a_folder_are_the_scenes(tmp_path: Path) -> None:
    write_folder(SCENES, tmp_path)
    decoded = np.asarray(Image.open(tmp_path / "images" / "000003.jpg"), np.float32)
    drawn = scene(5, 3, RESERVED, (48, 64)).image_HW3
    assert decoded.shape == drawn.shape
    assert np.abs(decoded - drawn).mean() < 12


def test_shards_hold_every_scene_once_and_are_the_same_bytes_twice(tmp_path: Path) -> None:
    write_shards(SCENES, tmp_path / "a", scenes_per_shard=2)
    write_shards(SCENES, tmp_path / "b", scenes_per_shard=2)
    shards = sorted((tmp_path / "a").glob("*.tar"))
    assert [s.name for s in shards] == [f"scenes-{n:05d}.tar" for n in range(3)]
    names = []
    for shard in shards:
        with tarfile.open(shard) as members:
            names += members.getnames()
    assert names == [f"{n:06d}.jpg" for n in range(5)]
    for shard in shards:
        assert shard.read_bytes() == (tmp_path / "b" / shard.name).read_bytes()


def test_category_ids_do_not_depend_on_which_categories_are_written(tmp_path: Path) -> None:
    few = SceneSet(seed=5, count=1, categories=("mug", "fish"), size_px=48)
    document = json.loads(write_folder(few, tmp_path).read_text())
    assert {c["name"]: c["id"] for c in document["categories"]} == {
        "fish": CATEGORY_IDS["fish"],
        "mug": CATEGORY_IDS["mug"],
    }
