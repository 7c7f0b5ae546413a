"""What supervision and datumaro read in a COCO export."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from pipeline.export.coco import export_coco
from pipeline.export.polygons import Outlines
from pipeline.export.selection import Selection
from schemas.job.storage import Storage
from tests.interop.made import Made, assert_same, make, masks_of

ALL = Selection()


def read(path: Path) -> COCO:
    """Read a file with pycocotools, which prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def all_of(masks: np.ndarray | None) -> np.ndarray | tuple[()]:
    """Return supervision's masks, which are None where an image has no object."""
    return () if masks is None else masks


def _export(made: Made, to: Path, outlines: Outlines | None = None) -> str:
    export_coco(made.output, Storage(), str(to), ALL, outlines=outlines)
    return str(to)


def test_polygons_without_holes_are_the_masks_pixel_for_pixel(tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="opencv-python-headless is not installed")
    made, outlines = make(tmp_path), Outlines()
    coco = read(Path(_export(made, tmp_path / "coco.json", outlines)))
    for annotation in coco.dataset["annotations"]:
        name = coco.imgs[annotation["image_id"]]["file_name"]
        category = coco.cats[annotation["category_id"]]["name"]
        assert isinstance(annotation["segmentation"], list)
        assert np.array_equal(coco.annToMask(annotation), made.masks[name, category])
    assert outlines.loss.least == 1


def test_what_polygons_lose_of_holes_is_measured(tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="opencv-python-headless is not installed")
    made, outlines = make(tmp_path, holes=True), Outlines()
    _export(made, tmp_path / "coco.json", outlines)
    mask_HW = made.masks["a/1.jpg", "cat"]
    assert 0.8 < outlines.loss.least < 1
    assert outlines.loss.least <= mask_HW.sum() / (mask_HW.sum() + 80)
    assert outlines.loss.least <= outlines.loss.mean < 1


@pytest.mark.parametrize("polygons", [False, True])
def test_supervision_finds_every_image_and_mask(tmp_path: Path, polygons: bool) -> None:
    sv = pytest.importorskip("supervision", reason="supervision is not installed")
    made = make(tmp_path)
    path = _export(made, tmp_path / "coco.json", Outlines() if polygons else None)
    dataset = sv.DetectionDataset.from_coco(made.images, path, force_masks=True)
    assert len(dataset) == 5
    for image_path, image_HW3, found in dataset:
        name = str(Path(image_path).relative_to(made.images))
        masks = {
            dataset.classes[class_id]: mask_HW
            for class_id, mask_HW in zip(found.class_id, all_of(found.mask), strict=True)
        }
        for category, mask_HW in masks.items():
            assert mask_HW.shape == image_HW3.shape[:2]
            both = mask_HW & made.masks[name, category]
            either = mask_HW | made.masks[name, category]
            # supervision fills polygons up to and with the pixel right of and below their corners.
            assert both.sum() / either.sum() > (0.85 if polygons else 0.999)
        wanted = {c for c in ("cat", "dog") if made.masks[name, c].any()}
        assert masks.keys() == wanted


def test_datumaro_finds_every_image_and_mask(tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro", reason="datumaro is not installed")
    made = make(tmp_path)
    root = tmp_path / "coco"
    (root / "annotations").mkdir(parents=True)
    _export(made, root / "annotations/instances_default.json")
    (root / "annotations/instances_default.rejected.json").unlink()
    (root / "images").mkdir()
    (root / "images/default").symlink_to(made.images)
    dataset = datumaro.Dataset.import_from(str(root), "coco_instances")
    assert [item.media.data.shape[:2] for item in dataset] == [(80, 100)] * 5
    assert_same(masks_of(dataset), made)


def test_rejected_images_do_not_hinder_a_reader_of_the_file(tmp_path: Path) -> None:
    made = make(tmp_path)
    export_coco(made.output, Storage(), str(tmp_path / "c.json"), ALL, with_rejected=True)
    images = json.loads((tmp_path / "c.json").read_text())["images"]
    assert [image.get("rejected") for image in images].count("decode") == 1
    assert len(read(tmp_path / "c.json").imgs) == 6
