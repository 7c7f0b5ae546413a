"""An index remembers what it was made of: annotations that changed since are refused."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from pipeline.datasets.annotation_files import check_photos
from pipeline.datasets.index import open_index
from schemas.errors import BadInput
from schemas.job.dataset import Dataset
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
    write,
    write_folder,
    write_voc,
)
from tests.made.servers.s3 import Bucket


def opened(dataset: dict[str, Any], index: Path | str, storage: Storage | None = None) -> int:
    checked = TypeAdapter(Dataset).validate_python(dataset)
    return open_index(checked, str(index), storage or Storage()).commit.objects


def test_changed_coco_annotations_are_refused_with_what_to_do(tmp_path: Path) -> None:
    coco = CocoFiles(tmp_path, ("cat", "dog"))
    coco.image(7, cat=LARGE)
    dataset, index = coco.save(), tmp_path / "index"
    assert opened(dataset, index) == 1
    coco.image(8, dog=SMALL)
    coco.save()
    with pytest.raises(BadInput, match="not those that the index was made of") as refused:
        opened(dataset, index)
    assert refused.value.where == dataset["instances"]
    assert f"as the index {index} remembers; delete that folder" in refused.value.wanted


def test_the_same_bytes_written_again_are_the_same_annotations(tmp_path: Path) -> None:
    coco = CocoFiles(tmp_path, ("cat",))
    coco.image(7, cat=LARGE)
    dataset, index = coco.save(), tmp_path / "index"
    opened(dataset, index)
    os.utime(dataset["instances"], (1, 1))
    assert opened(dataset, index) == 1


def test_an_index_outlives_its_annotations(tmp_path: Path) -> None:
    coco = CocoFiles(tmp_path, ("cat",))
    coco.image(7, cat=LARGE)
    dataset, index = coco.save(), tmp_path / "index"
    opened(dataset, index)
    Path(dataset["instances"]).unlink()
    assert opened(dataset, index) == 1


def test_an_index_that_remembers_nothing_is_read(tmp_path: Path) -> None:
    coco = CocoFiles(tmp_path, ("cat",))
    coco.image(7, cat=LARGE)
    dataset, index = coco.save(), tmp_path / "index"
    opened(dataset, index)
    written = json.loads((index / "index.json").read_text())
    del written["annotations"]
    (index / "index.json").write_text(json.dumps(written))
    coco.image(8, cat=SMALL)
    coco.save()
    assert opened(dataset, index) == 1


def test_a_changed_mask_of_a_folder_or_of_voc_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", {"cat": 2})
    voc = write_voc(tmp_path / "voc", {"1": filled(LARGE), "2": filled(LARGE)})
    for dataset in (folder, voc):
        index = tmp_path / f"index-{dataset['type']}"
        opened(dataset, index)
        opened(dataset, index)
        mask = next(Path(dataset["root"]).rglob("*.png"))
        write(mask, png(filled(SMALL)))
        with pytest.raises(BadInput, match="files, listing"):
            opened(dataset, index)


def test_a_photo_of_another_length_is_refused_and_one_that_is_gone_is_not(tmp_path: Path) -> None:
    dataset, uri = write_folder(tmp_path / "p", {"cat": 2}), str(tmp_path / "index")

    def check() -> None:
        index = open_index(TypeAdapter(Dataset).validate_python(dataset), uri, Storage())
        check_photos(index.images, Storage(), uri)

    check()
    (tmp_path / "p/cat/1.jpg").unlink()
    check()
    photo = write(tmp_path / "p/cat/0.jpg", jpeg(9, (HEIGHT, WIDTH)) + b" ")
    with pytest.raises(BadInput, match="not the one that was indexed") as refused:
        check()
    assert refused.value.where == str(photo)
    assert "delete that folder to have it built anew" in refused.value.wanted


def test_on_s3_the_tag_tells(tmp_path: Path, bucket: Bucket) -> None:
    coco = CocoFiles(tmp_path, ("cat",))
    coco.image(7, cat=LARGE)
    instances = Path(coco.save()["instances"])
    dataset = {"type": "coco", "images": str(tmp_path / "images"), "instances": f"{bucket.uri}/i"}
    bucket.put("i", instances.read_bytes())
    index = f"{bucket.uri}/index"
    opened(dataset, index, bucket.storage)
    bucket.put("i", instances.read_bytes())
    opened(dataset, index, bucket.storage)
    bucket.put("i", instances.read_bytes() + b" ")
    with pytest.raises(BadInput, match="bytes, tag"):
        opened(dataset, index, bucket.storage)
