"""Write tiny datasets in the layouts of COCO, VOC and class folders, with objects we know."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask

HEIGHT, WIDTH = 80, 100
LARGE = (8, 8, 68, 68)  # top, left, bottom, right: 3600 pixels, above 2 * 32 * 32
SMALL = (70, 80, 78, 90)  # 80 pixels

Square = tuple[int, int, int, int]


def jpeg(seed: int, size_HW: tuple[int, int] = (HEIGHT, WIDTH), orientation: int = 1) -> bytes:
    """A JPEG of a few soft blobs, no two seeds alike, stored so that it displays at size_HW."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (4, 5, 3), dtype=np.uint8))
    height, width = size_HW
    stored = (height, width) if orientation >= 5 else (width, height)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    small.resize(stored, Image.Resampling.BICUBIC).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def filled(square: Square, size_HW: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """A bool mask, true in the square."""
    mask_HW = np.zeros(size_HW, bool)
    top, left, bottom, right = square
    mask_HW[top:bottom, left:right] = True
    return mask_HW


def png(values_HW: np.ndarray, palette: bool = False) -> bytes:
    """An 8-bit PNG of the values."""
    image = Image.fromarray(values_HW.astype(np.uint8))
    if palette:
        image = _with_palette(image)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _with_palette(image: Image.Image) -> Image.Image:
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([value * 7 % 256 for value in range(768)])
    return image


def write(path: Path, data: bytes) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def polygon(square: Square) -> list[float]:
    """A square's corners, as COCO writes a polygon."""
    top, left, bottom, right = square
    return [left, top, right, top, right, bottom, left, bottom]


def rle_of(mask_HW: np.ndarray) -> dict[str, Any]:
    """A mask as COCO's compressed RLE, as it stands in a JSON file."""
    runs: Any = coco_mask.encode(np.asfortranarray(mask_HW, dtype=np.uint8))
    return {"size": list(mask_HW.shape), "counts": runs["counts"].decode()}


class CocoFiles:
    """A COCO dataset as it grows on disk; `save` writes the JSON."""

    def __init__(self, root: Path, names: tuple[str, ...]) -> None:
        self.root = root
        self.document: dict[str, list[dict[str, Any]]] = {
            "images": [],
            "annotations": [],
            "categories": [{"id": n, "name": name} for n, name in enumerate(names, 1)],
        }

    def image(self, number: int, **shown: Square) -> None:
        """Add an image that shows each named category in its square."""
        write(self.root / "images" / f"{number:012d}.jpg", jpeg(number))
        entry = {"id": number, "file_name": f"{number:012d}.jpg", "height": HEIGHT, "width": WIDTH}
        self.document["images"].append(entry)
        for name, square in shown.items():
            self.annotate(number, name.replace("_", " "), [polygon(square)])

    def annotate(self, image: int, name: str, segmentation: Any, iscrowd: int = 0) -> None:
        """Add one annotation."""
        ids = {entry["name"]: entry["id"] for entry in self.document["categories"]}
        self.document["annotations"].append(
            {
                "id": len(self.document["annotations"]) + 1,
                "image_id": image,
                "category_id": ids[name],
                "segmentation": segmentation,
                "iscrowd": iscrowd,
            }
        )

    def save(self) -> dict[str, Any]:
        """Write the JSON and return the dataset as a job names it."""
        path = write(self.root / "instances.json", json.dumps(self.document).encode())
        return {"type": "coco", "images": str(self.root / "images"), "instances": str(path)}


def write_voc(root: Path, masks: dict[str, np.ndarray]) -> dict[str, Any]:
    """Write VOC images and index PNGs (half of them with a palette), and their split."""
    for number, (image_id, values_HW) in enumerate(masks.items()):
        write(root / "JPEGImages" / f"{image_id}.jpg", jpeg(number, values_HW.shape))
        data = png(values_HW, palette=number % 2 == 0)
        write(root / "SegmentationClassAug" / f"{image_id}.png", data)
    write(root / "ImageSets/Segmentation/trainaug.txt", "\n".join(masks).encode())
    return {"type": "voc", "root": str(root)}


def write_folder(root: Path, classes: dict[str, int]) -> dict[str, Any]:
    """Write so many images of each class, each with a mask beside it."""
    seed = 0
    for name, count in classes.items():
        for number in range(count):
            write(root / name / f"{number}.jpg", jpeg(seed))
            write(root / name / f"{number}.png", png(filled(LARGE) * 255))
            seed += 1
    return {"type": "folder", "root": str(root)}
