"""What SAM finds in photos becomes material: parts to ask for, and things to paste.

People mask a few categories. A SAM that was trained on a billion masks finds wheels, windows and
bags too: of no category, but of exact outline, and no two photos have the same ones. A folder holds
them, `<photo's id>.json`: a list of COCO's run-length masks with their predicted IoUs.
"""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from model.everything import Everything
from model.networks.device import pick_precision
from pipeline.lite.material.photos import Part, Photo
from pipeline.masks.runs import encode_rle
from pipeline.weights.of_method import local_method
from schemas.job.networks import Sam
from schemas.job.storage import Storage
from schemas.names import SamType

PASTED_SCORE = 0.88
PASTED_SHARES = (0.008, 0.25)
"""Of their photo, of the parts that are pasted into others."""

MOST_PASTED = 4
"""Of a photo's parts."""

CUT_SIDE, LEAST_CUT_SIDE = 220, 24


def load_finder(weights: str, sam_type: SamType, device: str) -> Everything:
    """Load the SAM that finds parts; weights are a name, path or address. Raises BadWeights."""
    sam = local_method(Sam(type=sam_type, weights=weights), Storage())
    return Everything(sam, device, pick_precision("auto", device))


def find_parts(photos: Sequence[Photo], sam: Everything, folder: Path) -> Iterator[int]:
    """Write the parts of photos that have no file yet; yield each one's number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, photo in enumerate(photos):
        path = folder / f"{photo.id}.json"
        if path.exists():
            continue
        rows = []
        for part in sam.parts(np.asarray(photo.open()), seed=number):
            rows.append({**encode_rle(part.mask_HW), "score": round(part.score, 3)})
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(rows))
        partial.rename(path)
        yield len(rows)


def with_parts(photos: Sequence[Photo], folder: Path) -> list[Photo]:
    """Return photos with their parts, of those that have a file."""
    found = []
    for photo in photos:
        path = folder / f"{photo.id}.json"
        rows = json.loads(path.read_text()) if path.is_file() else []
        parts = tuple(Part(tuple(r["size"]), r["counts"].encode(), r["score"]) for r in rows)
        found.append(replace(photo, parts=parts))
    return found


def cut_out_parts(photos: Sequence[Photo]) -> dict[str, list[bytes]]:
    """Cut parts out of photos, as `read_cutouts` returns them: each is a category of its own.

    Left out is what has a label: pasted, it would be something that the picture seems to lack.
    """
    cutouts: dict[str, list[bytes]] = {}
    for photo in photos:
        if not photo.parts:
            continue
        labelled = [photo.mask(name) for name in photo.masks]
        image = photo.open()
        taken = 0
        for number, part in enumerate(photo.parts):
            mask_HW = part.mask()
            if part.score < PASTED_SCORE or not _is_thing(mask_HW):
                continue
            if any(_iou(mask_HW, other_HW) > 0.3 for other_HW in labelled):
                continue
            if (png := _cut_out(image, mask_HW)) is not None:
                cutouts[f"{photo.id}-{number}"] = [png]
                taken += 1
            if taken == MOST_PASTED:
                break
    return cutouts


def _is_thing(mask_HW: np.ndarray) -> bool:
    """Return whether a mask is compact, neither small nor large, and within its photo."""
    area = int(mask_HW.sum())
    least, most = PASTED_SHARES
    if not least < area / mask_HW.size < most:
        return False
    border = [mask_HW[0], mask_HW[-1], mask_HW[:, 0], mask_HW[:, -1]]
    height, width = mask_HW.any(axis=1).sum(), mask_HW.any(axis=0).sum()
    on_border = sum(int(line.sum()) for line in border)
    return on_border < 0.16 * np.sqrt(area) and area > 0.3 * height * width


def _iou(one_HW: np.ndarray, other_HW: np.ndarray) -> float:
    return float((one_HW & other_HW).sum() / max((one_HW | other_HW).sum(), 1))


def _cut_out(image: Image.Image, mask_HW: np.ndarray) -> bytes | None:
    cut = image.copy()
    alpha = Image.fromarray(mask_HW.astype(np.uint8) * 255)
    cut.putalpha(alpha)
    cut = cut.crop(alpha.getbbox())
    cut.thumbnail((CUT_SIDE, CUT_SIDE))
    if min(cut.size) < LEAST_CUT_SIDE:
        return None
    file = io.BytesIO()
    cut.save(file, "PNG")
    return file.getvalue()
