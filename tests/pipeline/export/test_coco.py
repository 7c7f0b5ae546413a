"""A commit becomes a COCO file that pycocotools reads."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from pipeline.export.coco import export_coco
from pipeline.export.selection import Selection
from pipeline.output.share import Share, parse_share
from pipeline.storage.files import list_files, open_filesystem, read_bytes
from schemas.errors import BadInput, BadStorage
from schemas.job.storage import Storage
from tests.made.outputs.coco_export import BIG, EMPTY, SMALL, UNITS, exported, opened
from tests.made.outputs.committed import commit_units, label_rows, rejected_row
from tests.made.servers.s3 import Bucket


def test_every_image_with_labels_is_listed_in_the_commits_order(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), UNITS)
    document = exported(tmp_path / "out", tmp_path / "coco.json")
    assert [(image["id"], image["file_name"]) for image in document["images"]] == [
        (1, "b/1.jpg"),
        (3, "a/1.jpg"),
        (4, "a/2.jpg"),
    ]
    assert [(entry["id"], entry["name"]) for entry in document["categories"]] == [
        (3, "cat"),
        (18, "dog"),
    ]
    assert [(a["id"], a["image_id"], a["category_id"]) for a in document["annotations"]] == [
        (1, 1, 3),
        (2, 1, 18),
        (7, 4, 3),
    ]
    assert document["info"]["counts"]["rejected"] == 1
    assert document["info"]["fingerprint"] == "f"


def test_shares_hold_together_what_the_whole_holds_with_its_ids(tmp_path: Path) -> None:
    output = str(tmp_path / "out")
    commit_units(output, UNITS)
    whole = exported(tmp_path / "out", tmp_path / "coco.json")
    shares = []
    for number in (1, 2, 3):
        to = tmp_path / f"{number}.json"
        export_coco(output, Storage(), str(to), Selection(share=Share(number, 3)))
        shares.append(json.loads(to.read_text()))
    for kind in ("images", "annotations"):
        assert [entry for share in shares for entry in share[kind]] == whole[kind]
    assert all(share["categories"] == whole["categories"] for share in shares)
    assert sum(share["info"]["counts"]["rejected"] for share in shares) == 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="N/OF"):
        parse_share(text)


def test_masks_areas_and_boxes_agree_in_pycocotools(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), UNITS)
    exported(tmp_path / "out", tmp_path / "coco.json")
    coco = opened(tmp_path / "coco.json")
    masks = [coco.annToMask(annotation).astype(bool) for annotation in coco.dataset["annotations"]]
    assert all(np.array_equal(a, b) for a, b in zip(masks, (BIG, SMALL, SMALL), strict=True))
    annotations: list[Any] = coco.dataset["annotations"]
    for annotation in annotations:
        assert coco_mask.area(annotation["segmentation"]) == annotation["area"]
        assert coco_mask.toBbox(annotation["segmentation"]).tolist() == annotation["bbox"]


def test_exporting_twice_gives_the_same_bytes_and_growth_keeps_the_ids(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), UNITS)
    before = exported(tmp_path / "out", tmp_path / "1.json")
    exported(tmp_path / "out", tmp_path / "2.json")
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
    more = [*UNITS, (label_rows("0/0.jpg", {"cat": BIG, "dog": BIG}), [])]
    commit_units(str(tmp_path / "grown"), more)
    after = exported(tmp_path / "grown", tmp_path / "3.json")
    assert after["images"][:3] == before["images"]
    assert after["annotations"][:3] == before["annotations"]


def test_coco_images_keep_their_ids_and_file_names(tmp_path: Path) -> None:
    rows = [
        row
        for image_id, name in (("139", "cityA/1.jpg"), ("9", "cityB/1.jpg"))
        for row in label_rows(image_id, {"cat": BIG, "dog": EMPTY}, uri=f"s3://b/val/{name}")
    ]
    commit_units(str(tmp_path / "out"), [(rows, [])], source="coco")
    document = exported(tmp_path / "out", tmp_path / "coco.json")
    assert [(image["id"], image["file_name"]) for image in document["images"]] == [
        (9, "cityB/1.jpg"),
        (139, "cityA/1.jpg"),
    ]
    assert [entry["image_id"] for entry in document["annotations"]] == [9, 139]


def test_coco_images_whose_ids_are_no_numbers_are_refused(tmp_path: Path) -> None:
    rows = label_rows("one", {"cat": BIG, "dog": EMPTY})
    commit_units(str(tmp_path / "out"), [(rows, [])], source="coco")
    with pytest.raises(BadInput, match="one"):
        exported(tmp_path / "out", tmp_path / "coco.json")


def test_rejected_images_are_listed_beside_the_file_and_where_asked_in_it(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), UNITS)
    to = tmp_path / "coco.json"
    assert exported(tmp_path / "out", to)["images"][1]["file_name"] == "a/1.jpg"
    listed = json.loads((tmp_path / "coco.rejected.json").read_text())["rejected"]
    assert listed == [
        {
            "id": 2,
            "file_name": "b/2.jpg",
            "image_id": "b/2.jpg",
            "uri": "/photos/b/2.jpg",
            "reason": "decode",
            "message": "not an image",
        }
    ]
    export_coco(str(tmp_path / "out"), Storage(), str(to), with_rejected=True)
    image = json.loads(to.read_text())["images"][1]
    assert (image["id"], image["file_name"], image["rejected"]) == (2, "b/2.jpg", "decode")
    assert opened(to).getAnnIds(imgIds=[2]) == []


def test_an_image_says_how_its_file_is_turned(tmp_path: Path) -> None:
    turned = [
        row | {"exif_orientation": 6} for row in label_rows("1.jpg", {"cat": BIG, "dog": BIG})
    ]
    commit_units(str(tmp_path / "out"), [(turned + UNITS[0][0], [])])
    exported = export_coco(str(tmp_path / "out"), Storage(), str(tmp_path / "coco.json"))
    assert exported.turned == 1
    images = json.loads((tmp_path / "coco.json").read_text())["images"]
    assert [image.get("exif_orientation") for image in images] == [6, None]


def test_categories_can_be_asked_for_by_supercategory(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), UNITS)
    exported(tmp_path / "out", tmp_path / "coco.json")
    assert opened(tmp_path / "coco.json").getCatIds(supNms=["cat"]) == [3]


def test_labels_of_untrained_weights_say_so(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), UNITS, random_weights=("method.weights",))
    info = exported(tmp_path / "out", tmp_path / "coco.json")["info"]
    assert "mean nothing" in info["description"]
    assert info["random_weights"] == ["method.weights"]


def test_a_commit_without_a_label_is_an_instances_file_too(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), [([], [rejected_row("1.jpg")])])
    document = exported(tmp_path / "out", tmp_path / "coco.json")
    assert document["images"] == document["annotations"] == []
    assert opened(tmp_path / "coco.json").getImgIds() == []


def test_parts_that_no_commit_lists_are_not_exported(tmp_path: Path) -> None:
    commit_units(str(tmp_path / "out"), UNITS)
    labels = tmp_path / "out/labels"
    (labels / f"{9:016x}-00000-last.parquet").write_bytes(next(labels.iterdir()).read_bytes())
    assert len(exported(tmp_path / "out", tmp_path / "coco.json")["images"]) == 3


def test_a_part_that_was_exchanged_leaves_no_file(tmp_path: Path) -> None:
    commit = commit_units(str(tmp_path / "out"), UNITS)
    (tmp_path / "out" / commit.parts[1].path).write_bytes(
        (tmp_path / "out" / commit.parts[0].path).read_bytes()
    )
    with pytest.raises(BadStorage, match="not the one that was committed"):
        export_coco(str(tmp_path / "out"), Storage(), str(tmp_path / "to/coco.json"))
    assert list((tmp_path / "to").iterdir()) == []


def test_an_output_without_a_commit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadStorage, match="without a commit"):
        export_coco(str(tmp_path / "out"), Storage(), str(tmp_path / "coco.json"))


def test_an_export_on_s3_is_whole_or_not_there(tmp_path: Path, bucket: Bucket) -> None:
    output = f"{bucket.uri}/out"
    commit = commit_units(output, UNITS, storage=bucket.storage)
    export_coco(output, bucket.storage, f"{bucket.uri}/coco.json")
    data = read_bytes(*open_filesystem(f"{bucket.uri}/coco.json", bucket.storage))
    commit_units(str(tmp_path / "out"), UNITS)
    assert json.loads(data) == exported(tmp_path / "out", tmp_path / "coco.json")
    bucket.put(f"out/{commit.parts[1].path}", b"something else")
    with pytest.raises(BadStorage):
        export_coco(output, bucket.storage, f"{bucket.uri}/second.json")
    fs, path = open_filesystem(bucket.uri, bucket.storage)
    assert "second.json" not in list_files(fs, path)
    with pytest.raises(BadStorage, match="bucket"):
        export_coco(str(tmp_path / "out"), bucket.storage, "s3://no-such-bucket-here/a.json")


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    def peak_bytes(parts: int) -> int:
        output = str(tmp_path / f"out{parts}")
        units = []
        for part in range(parts):
            rows = [
                row
                for image in range(100)
                for row in label_rows(f"{part}/{image}", {"cat": BIG, "dog": SMALL})
            ]
            units.append((rows, []))
        commit_units(output, units)
        tracemalloc.start()
        export_coco(output, Storage(), str(tmp_path / "coco.json"))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    peak_bytes(1)  # what is imported and cached once
    assert peak_bytes(16) < 1.5 * peak_bytes(4)
