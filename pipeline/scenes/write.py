"""Scenes become files that other tools read: a folder or WebDataset shards, and a COCO file."""

import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

from pipeline.scenes.categories import KINDS
from pipeline.scenes.compose import Scene, scene

JPEG_QUALITY = 92

CATEGORY_IDS: dict[str, int] = {name: number for number, name in enumerate(KINDS, start=1)}
"""COCO ids of all categories, reserved ones too; the same in every file."""


@dataclass(frozen=True)
class SceneSet:
    """Which scenes to write: numbers `first` to `first + count - 1` of a seed."""

    seed: int
    count: int
    categories: tuple[str, ...]
    size_px: int | tuple[int, int] = 256
    first: int = 0

    def __iter__(self) -> Iterator[tuple[str, Scene]]:
        """Draw the scenes one by one, with the name each has in files."""
        for index in range(self.first, self.first + self.count):
            yield f"{index:06d}", scene(self.seed, index, self.categories, self.size_px)


def write_folder(scenes: SceneSet, folder: Path) -> Path:
    """Write images/NNNNNN.jpg and instances.json; return the latter's path."""
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    coco = _empty_coco(scenes.categories)
    for name, one in scenes:
        (images / f"{name}.jpg").write_bytes(jpeg(one.image_HW3))
        _add_to_coco(coco, name, one)
    return _write_coco(coco, folder)


def write_shards(scenes: SceneSet, folder: Path, scenes_per_shard: int = 64) -> Path:
    """Write scenes-NNNNN.tar and instances.json; return the latter's path.

    Members carry no dates or owners, so that the same scenes give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    coco = _empty_coco(scenes.categories)
    drawn = iter(scenes)
    for number in range(-(-scenes.count // scenes_per_shard)):
        with tarfile.open(folder / f"scenes-{number:05d}.tar", "w") as shard:
            for name, one in islice(drawn, scenes_per_shard):
                data = jpeg(one.image_HW3)
                member = tarfile.TarInfo(f"{name}.jpg")
                member.size = len(data)
                shard.addfile(member, io.BytesIO(data))
                _add_to_coco(coco, name, one)
    return _write_coco(coco, folder)


def jpeg(image_HW3: np.ndarray) -> bytes:
    """Encode a scene as a camera would."""
    buffer = io.BytesIO()
    Image.fromarray(image_HW3).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _empty_coco(categories: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    listed = [{"id": CATEGORY_IDS[name], "name": name} for name in categories]
    return {"images": [], "annotations": [], "categories": sorted(listed, key=lambda c: c["id"])}


def _add_to_coco(coco: dict[str, list[dict[str, Any]]], name: str, drawn: Scene) -> None:
    height, width = drawn.image_HW3.shape[:2]
    number = len(coco["images"]) + 1
    coco["images"].append(
        {"id": number, "file_name": f"{name}.jpg", "height": height, "width": width}
    )
    for category, mask_HW in drawn.instances:
        rle: Any = coco_mask.encode(np.asfortranarray(mask_HW.view(np.uint8)))
        coco["annotations"].append(
            {
                "id": len(coco["annotations"]) + 1,
                "image_id": number,
                "category_id": CATEGORY_IDS[category],
                "segmentation": {"size": [height, width], "counts": rle["counts"].decode()},
                "area": int(mask_HW.sum()),
                "bbox": [float(value) for value in coco_mask.toBbox(rle)],
                "iscrowd": 0,
            }
        )


def _write_coco(coco: dict[str, list[dict[str, Any]]], folder: Path) -> Path:
    path = folder / "instances.json"
    path.write_text(json.dumps(coco))
    return path
