"""What the tools read for which `vrp export` writes yolo, label-studio, cvat and labelme."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipeline.export.annotators.cvat import export_cvat
from pipeline.export.annotators.label_studio import export_label_studio
from pipeline.export.annotators.labelme import export_labelme
from pipeline.export.annotators.yolo import Yolo, export_yolo, split_of
from pipeline.export.polygons import Outlines
from pipeline.export.selection import Selection
from schemas.job.storage import Storage
from tests.interop.made import assert_same, make, masks_of

ALL = Selection()


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_supervision_reads_yolo_masks_pixel_for_pixel(tmp_path: Path) -> None:
    sv = pytest.importorskip("supervision", reason="supervision is not installed")
    made, outlines, yolo = make(tmp_path), Outlines(), Yolo(val_share=0.5)
    to = tmp_path / "yolo"
    export_yolo(made.output, Storage(), str(to), ALL, outlines, yolo)
    seen = 0
    for split in ("train", "val"):
        folders = str(to / "images" / split), str(to / "labels" / split)
        dataset = sv.DetectionDataset.from_yolo(*folders, str(to / "data.yaml"), force_masks=True)
        for path, image_HW3, found in dataset:
            name = Path(path).name.replace("__", "/")
            assert split == split_of(name, 0.5)
            assert image_HW3.shape[:2] == (80, 100)
            for index, category in enumerate(dataset.classes):
                wanted_HW = made.masks[name, category]
                own = found.mask[found.class_id == index] if wanted_HW.any() else wanted_HW[None]
                assert np.array_equal(np.any(own, axis=0), wanted_HW)
            seen += 1
    assert seen == 5
    assert outlines.loss.least == 1
    before = _files(to)
    export_yolo(made.output, Storage(), str(to), ALL, Outlines(), yolo)
    assert _files(to) == before


def test_label_studio_decodes_the_masks_pixel_for_pixel(tmp_path: Path) -> None:
    reason = "label-studio-sdk is not installed"
    brush = pytest.importorskip("label_studio_sdk.converter.brush", reason=reason)
    made = make(tmp_path, holes=True)
    to = tmp_path / "tasks.json"
    export_label_studio(made.output, Storage(), str(to), ALL, "/data/local-files/?d=x")
    tasks = json.loads(to.read_text())
    assert [task["data"]["image"] for task in tasks][2] == "/data/local-files/?d=x/empty.jpg"
    found = 0
    for task in tasks:
        for result in task["predictions"][0]["result"]:
            size_HW = result["original_height"], result["original_width"]
            pixels = np.asarray(brush.decode_rle(result["value"]["rle"])).reshape(*size_HW, 4)
            key = task["data"]["file_name"], result["value"]["brushlabels"][0]
            assert np.array_equal(pixels[:, :, 3] > 0, made.masks[key])
            found += 1
    assert found == sum(mask_HW.any() for mask_HW in made.masks.values())
    assert "cat" in (tmp_path / "tasks.config.xml").read_text()


def test_datumaro_reads_cvat_masks_pixel_for_pixel(tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro", reason="datumaro is not installed")
    made = make(tmp_path, holes=True)
    (tmp_path / "cvat").mkdir()
    (tmp_path / "cvat/images").symlink_to(made.images)
    export_cvat(made.output, Storage(), str(tmp_path / "cvat/annotations.xml"), ALL)
    dataset = datumaro.Dataset.import_from(str(tmp_path / "cvat/annotations.xml"), "cvat")
    assert_same(masks_of(dataset), made)


def test_labelme_polygons_drawn_as_labelme_draws_them_are_the_masks(tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="opencv-python-headless is not installed")
    made = make(tmp_path)
    export_labelme(made.output, Storage(), made.images, ALL, Outlines())
    for path in (*Path(made.images).glob("*.jpg"), *Path(made.images).glob("*/*.jpg")):
        document = json.loads(path.with_suffix(".json").read_text())
        assert document["imagePath"] == path.name
        name = str(path.relative_to(made.images))
        for category in ("cat", "dog"):
            # labelme.utils.shape_to_mask
            drawn = Image.new("L", (document["imageWidth"], document["imageHeight"]))
            for shape in document["shapes"]:
                if shape["label"] == category:
                    corners = [tuple(point) for point in shape["points"]]
                    ImageDraw.Draw(drawn).polygon(corners, outline=1, fill=1)
            same = np.asarray(drawn).astype(bool) == made.masks[name, category]
            assert same.mean() > 0.995
