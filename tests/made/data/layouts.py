"""Write tiny data sets, each in exactly the layout that its distributor ships."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.export.palette import voc_colour
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
    write_voc,
)


def coco20i(root: Path) -> None:
    """COCO 2014: two photos of dogs in each split."""
    for split in ("train", "val"):
        coco = CocoFiles(root / "made", ("person", "dog"))
        for number in (1, 2):
            coco.image(number, dog=LARGE)
        coco.save()
        (root / "made/images").rename(root / f"{split}2014")
        write(
            root / f"annotations/instances_{split}2014.json",
            (root / "made/instances.json").read_bytes(),
        )
        (root / "made/instances.json").unlink()


def pascal5i(root: Path) -> None:
    """VOC 2012 with SegmentationClassAug, and the lists of train and val."""
    masks = {f"2007_00003{n}": filled(LARGE) * (n + 1) for n in range(4)}
    write_voc(root, masks)
    write(root / "ImageSets/Segmentation/val.txt", b"2007_000032\n2007_000033\n")


def fss1000(root: Path) -> None:
    """Ten photos of 224 x 224 for each of three classes, one in each split."""
    seed = 0
    for split, name in (("trn", "ab_wheel"), ("val", "bucket"), ("test", "zucchini")):
        for number in range(1, 11):
            seed += 1
            write(root / f"data/{name}/{number}.jpg", jpeg(seed, (224, 224)))
            write(root / f"data/{name}/{number}.png", png(filled(LARGE, (224, 224)) * 255))
        write(root / f"splits/{split}.txt", f"{name}\n".encode())


def perseg(root: Path) -> None:
    """Two objects of three photos each; masks are colour images of another folder."""
    for seed, (name, number) in enumerate((n, i) for n in ("backpack", "cat") for i in range(3)):
        write(root / f"Images/{name}/{number:02}.jpg", jpeg(seed))
        colours = filled(LARGE)[..., None] * np.array([128, 0, 0])
        write(root / f"Annotations/{name}/{number:02}.png", png(colours))


def lvis(root: Path, categories: int = 22) -> None:
    """LVIS v1 val: each category in two photos, one in a single one; photos of both folders."""
    photos = [("train2017", 1), ("val2017", 2), ("val2017", 3)]
    for folder, number in photos:
        write(root / f"coco/{folder}/{number:012}.jpg", jpeg(number))
    shown = [(n, c) for c in range(1, categories + 1) for n in (1, 2)] + [(3, categories + 1)]
    document = {
        "images": [
            {
                "id": number,
                "coco_url": f"http://images.cocodataset.org/{folder}/{number:012}.jpg",
                "height": HEIGHT,
                "width": WIDTH,
                "neg_category_ids": [categories + 1] if number == 2 else [],
                "not_exhaustive_category_ids": [],
            }
            for folder, number in photos
        ],
        "annotations": [
            {
                "id": place,
                "image_id": image,
                "category_id": category,
                "segmentation": [polygon(LARGE)],
                "bbox": [8, 8, 60, 60],
                "area": 3600,
            }
            for place, (image, category) in enumerate(shown, 1)
        ],
        "categories": [
            {"id": n, "name": f"thing_{n}", "frequency": "r", "synset": f"thing.n.{n}"}
            for n in range(1, categories + 2)
        ],
    }
    write(root / "lvis_v1_val.json", json.dumps(document).encode())


HANDLE = (20, 30, 40, 50)  # 400 pixels; of them 15 x 15 lie in the box of the second mug
MUG_BOXES = [[20, 10, 60, 50], [35, 25, 40, 40]]  # x, y, width, height


def paco(root: Path) -> None:
    """PACO-LVIS: one photo of two mugs, each with a body and a handle; another of one mug."""
    for number in (1, 2):
        write(root / f"coco/val2017/{number:012}.jpg", jpeg(number))
    (root / "coco/train2017").mkdir(parents=True)
    write(root / "coco/train2017/000000000009.jpg", jpeg(9))
    document = {
        "images": [
            {
                "id": n,
                "file_name": f"val2017/{n:012}.jpg",
                "height": HEIGHT,
                "width": WIDTH,
                "neg_category_ids": [],
            }
            for n in (1, 2)
        ],
        "annotations": [],
        "categories": [
            {"supercategory": "OBJECT", "id": 694, "name": "mug"},
            {"supercategory": "PART", "id": 1201, "name": "mug:body"},
            {"supercategory": "PART", "id": 1202, "name": "mug:handle"},
        ],
    }
    for image, box in ((1, MUG_BOXES[0]), (1, MUG_BOXES[1]), (2, MUG_BOXES[0])):
        _mug(document, image, box)
    write(root / "paco/paco_lvis_v1_test.json", json.dumps(document).encode())


def _mug(document: dict[str, Any], image: int, box: list[int]) -> None:
    first = len(document["annotations"]) + 1
    left, top, width, height = box
    whole = filled((top, left, top + height, left + width))
    for place, (category, mask_HW) in enumerate(
        ((694, whole), (1201, whole & ~filled(HANDLE)), (1202, filled(HANDLE)))
    ):
        document["annotations"].append(
            {
                "id": first + place,
                "obj_ann_id": first,
                "image_id": image,
                "category_id": category,
                "bbox": box,
                "area": int(mask_HW.sum()),
                "segmentation": rle_of(mask_HW),
            }
        )


def pascal_part(root: Path) -> None:
    """VOC 2010 with merged parts: two cows and a bus in each split, a part that val lacks."""
    ids = {"train": ["2008_000001", "2008_000002"], "val": ["2008_000003", "2008_000004"]}
    for seed, image_id in enumerate([*ids["train"], *ids["val"]]):
        write(root / f"JPEGImages/{image_id}.jpg", jpeg(seed))
        parts = [
            {"name": "head", "mask": [rle_of(filled((10, 10, 20, 20)))]},
            {"name": "leg", "mask": [rle_of(filled((40, n, 60, n + 5))) for n in (12, 30)]},
        ]
        cow = {
            "name": "cow",
            "bndbox": {"xmin": 8, "ymin": 8, "xmax": 68, "ymax": 70},
            "parts": parts,
        }
        bus = {
            "name": "bus",
            "bndbox": {"xmin": 70, "ymin": 0, "xmax": 100, "ymax": 40},
            "parts": [{"name": "wheel", "mask": [rle_of(filled((10, 80, 20, 90)))]}],
        }
        write(
            root / f"Annotations_Part_json_merged_part_classes/{image_id}.json",
            json.dumps({"object": [cow, bus]}).encode(),
        )
    lists = {
        "animals": {"object": {"cow": {"part": {"head": ids, "leg": ids}}}},
        "vehicles": {
            "object": {
                "bus": {"part": {"wheel": ids, "mirror": {"train": ids["train"], "val": []}}}
            }
        },
    }
    write(root / "all_obj_part_to_image.json", json.dumps(lists).encode())


def davis(root: Path) -> None:
    """The release of 2017 with both years' lists: two sequences, one of two objects."""
    shown = {"bear": {1: LARGE}, "dogs-jump": {1: LARGE, 2: SMALL}}
    seed = 0
    for sequence, objects in shown.items():
        for frame in range(3):
            seed += 1
            write(root / f"JPEGImages/480p/{sequence}/{frame:05}.jpg", jpeg(seed))
            values_HW = np.zeros((HEIGHT, WIDTH), np.uint8)
            for value, square in objects.items():
                if (value, frame) != (2, 1):  # the second dog is hidden in the second frame
                    values_HW[filled(square)] = value
            image = Image.frombytes("P", (WIDTH, HEIGHT), values_HW.tobytes())
            image.putpalette([part for value in range(256) for part in voc_colour(value)])
            place = root / f"Annotations/480p/{sequence}/{frame:05}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            image.save(place)
    lines = [
        f"/JPEGImages/480p/{s}/{f:05}.jpg /Annotations/480p/{s}/{f:05}.png\n"
        for s in shown
        for f in range(3)
    ]
    for split in ("train", "val"):
        write(root / f"ImageSets/2017/{split}.txt", "\n".join(shown).encode())
        write(root / f"ImageSets/2016/{split}.txt", "".join(lines).encode())
