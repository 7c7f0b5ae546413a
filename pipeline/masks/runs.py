"""Turn masks as others wrote them, polygons and run lengths, into runs that pycocotools may have.

pycocotools trusts what it is given: a corner that is no number, one a hundred million pixels away,
or a size that no memory holds ends the process (each did, with 2.0.11).
"""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

COMPRESSED = re.compile(r"(?:[P-o]{0,6}[0-O])*")
"""COCO's compressed counts: five bits a character, and a sixth in all but a number's last.

Seven of them hold 32 bits. A text that goes on for ever in one number would be decoded for hours.
"""

# Corners some way outside are slips of drawing; pycocotools walks along each edge in fifths of a
# pixel, so an edge may not be arbitrarily long.
_BEYOND = 4
# Nor may all edges together: an outline of four million pixels took it 1.3 s and 150 MB. That of an
# object that fills a photo of 25 megapixels has 20,000.
_MOST_OUTLINE_PX = 2**21
MOST_PX = 2**31 - 1
"""The pixels of an image whose runs fit the 32 bits that pycocotools counts with."""


def filled(polygons: Sequence[Sequence[float]], size_HW: tuple[int, int]) -> Any:
    """Return the union of polygons, each x0, y0, x1, y1, …, in an image of size_HW.

    Raises ValueError for a corner that is no number or further away than four images.
    """
    height, width = size_HW
    if height * width > MOST_PX:
        raise ValueError(f"polygons of an image of {height} x {width}, too large to be counted")
    for polygon in polygons:
        _check_polygon(polygon, size_HW)
    corners: Any = [list(polygon) for polygon in polygons]
    return coco_mask.merge(coco_mask.frPyObjects(corners, *size_HW))


def _check_polygon(polygon: Sequence[float], size_HW: tuple[int, int]) -> None:
    spread = 0.0
    for far, side in ((polygon[0::2], size_HW[1]), (polygon[1::2], size_HW[0])):
        try:
            least, most, finite = min(far), max(far), math.isfinite(sum(far))
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"a polygon that is no list of numbers: {polygon!r:.60}") from error
        reach = _BEYOND * max(side, 1000)
        if not (finite and -reach <= least and most <= reach):
            value = next(v for v in far if not (math.isfinite(v) and abs(v) <= reach))
            raise ValueError(f"a polygon with a corner at {value:.12g}, of an image {size_HW}")
        spread = max(spread, most - least)
    if len(polygon) % 2:
        raise ValueError(f"a polygon of {len(polygon)} numbers, which are no pairs")
    if spread * len(polygon) / 2 > _MOST_OUTLINE_PX and _outline_px(polygon) > _MOST_OUTLINE_PX:
        raise ValueError(f"a polygon with an outline of {_outline_px(polygon):.0f} pixels")


def _outline_px(polygon: Sequence[float]) -> float:
    corners_xy = np.array(polygon).reshape(-1, 2)
    return float(np.abs(np.roll(corners_xy, -1, axis=0) - corners_xy).max(axis=1).sum())


def runs_of(counts: str | Sequence[int], size_HW: tuple[int, int]) -> Any:
    """Return COCO runs of counts, compressed or not. Raises ValueError unless they fill size_HW."""
    height, width = size_HW
    if isinstance(counts, str):
        if not COMPRESSED.fullmatch(counts):
            raise ValueError("counts that are not COCO compressed")
        runs: Sequence[int] = run_lengths(counts)
    else:
        runs = counts
    if min(runs, default=0) < 0 or sum(runs) != height * width or height * width > MOST_PX:
        raise ValueError(
            f"runs of {sum(runs)} pixels, wanted {height} x {width} = {height * width}"
        )
    if isinstance(counts, str):
        return {"size": [height, width], "counts": counts.encode("ascii")}
    plain: Any = {"size": [height, width], "counts": list(counts)}
    return coco_mask.frPyObjects(plain, height, width)


def run_lengths(counts: str) -> list[int]:
    """Decode COCO's compressed counts: base 32 digits with a sign, and differences from the third.

    Raises nothing: a text that ends inside a number ends the list.
    """
    runs: list[int] = []
    value = shift = 0
    for character in counts:
        digit = ord(character) - 48
        value |= (digit & 0x1F) << shift
        shift += 5
        if not digit & 0x20:
            if digit & 0x10:
                value -= 1 << shift
            runs.append(value + runs[-2] if len(runs) > 2 else value)
            value = shift = 0
    return runs


def encode_rle(mask_HW: np.ndarray) -> Any:
    """Encode a bool mask [H, W] as COCO compressed RLE: {"size": [H, W], "counts": str}."""
    runs: Any = coco_mask.encode(np.asfortranarray(mask_HW, dtype=np.uint8))
    return {"size": list(mask_HW.shape), "counts": runs["counts"].decode("ascii")}
