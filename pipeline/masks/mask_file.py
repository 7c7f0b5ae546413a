"""Turn a mask as an image file, however it was saved, into the object's pixels.

- Alpha that varies is the mask: a cut-out, black on transparent. Alpha that is the same everywhere
  says nothing.
- Else the object is what is not black, a palette read by its colours and not by its numbers.
- VOC's border is neither object nor background: the number 255 or its colour beside others.
- Grey steps along edges, drawn soft or left by JPEG, are cut at half. Flat greys are numbers of
  objects and count alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

VOID = 255
VOID_RGB = (224, 224, 192)  # what VOC's palette shows for 255
# VOC has 21 classes; greys above are colours rather than numbers, so that a trimap's 128 beside 255
# is not taken for a class beside a border.
_MOST_NUMBERED = 32
_HALF = 128
_SOFT_GREYS = 4  # an edge has more; thin objects of a few numbers have as many as there are
_LOSSY = ("JPEG", "MPO")
_NAMED = 8


@dataclass(frozen=True)
class MaskRead:
    """A bool mask [H, W], and what was decided in reading it."""

    mask_HW: np.ndarray
    remarks: tuple[str, ...] = ()


def read_mask(image: Image.Image) -> MaskRead:
    """Return the object that a mask shows. Raises ValueError for one that can mean two things."""
    if getattr(image, "n_frames", 1) > 1:
        raise ValueError(f"{getattr(image, 'n_frames', 0)} frames or pages, of which one is meant")
    levels_HW, grey = _levels(image)
    void_HW = _void(image, levels_HW, grey)
    remarks = [f"{void_HW.sum()} pixels of VOC's border are left out"] if void_HW.any() else []
    alpha_HW = _alpha(image)
    if alpha_HW is not None and _tells(alpha_HW, levels_HW):
        remarks.append("the object is what alpha shows")
        low, high = int(alpha_HW.min()), int(alpha_HW.max())
        between = int(((alpha_HW != low) & (alpha_HW != high)).sum())
        mask_HW = 2 * alpha_HW.astype(np.int64) > low + high
    else:
        levels_HW = np.where(void_HW, 0, levels_HW)
        mask_HW, between = _object(levels_HW, image.format in _LOSSY)
        if not between and grey and len(values := np.unique(levels_HW[mask_HW])) > 1:
            remarks.append(f"the values {named(values)} count alike")
    if between:
        remarks.append(f"{between} pixels between object and background are cut at half")
    return MaskRead(mask_HW & ~void_HW, tuple(remarks))


def values_of(image: Image.Image) -> np.ndarray:
    """Return the numbers in a mask file, [H, W]: palette numbers, greys, or the largest colour."""
    values = np.asarray(image)
    if values.ndim == 2:
        return values
    return values[..., 0] if image.mode in ("LA", "La") else values[..., :3].max(axis=2)


def named(values: np.ndarray) -> str:
    """Name the first few of many values."""
    more = f" and {len(values) - _NAMED} more" if len(values) > _NAMED else ""
    return ", ".join(str(value) for value in values[:_NAMED]) + more


def described(mask_HW: np.ndarray, remarks: Sequence[str] = ()) -> str:
    """Say what a mask is understood to be: pixels, share of the image, box, and the remarks."""
    rows, columns = (np.flatnonzero(mask_HW.any(axis=axis)) for axis in (1, 0))
    box = (
        f"x {columns[0]} to {columns[-1] + 1}, y {rows[0]} to {rows[-1] + 1}" if len(rows) else "-"
    )
    size = f"{mask_HW.sum()} pixels, {mask_HW.mean():.1%} of the image, {box}"
    return "; ".join([size, *remarks])


def _levels(image: Image.Image) -> tuple[np.ndarray, bool]:
    """Return how far each pixel is from black, [H, W], and whether it is a grey picture."""
    if image.mode in ("LA", "La"):
        return np.asarray(image.convert("LA").getchannel("L")), True
    if image.mode not in ("P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr", "LAB", "HSV"):
        values_HW = np.asarray(image)
        if not np.isfinite(values_HW).all():
            raise ValueError("values that are no numbers")
        return values_HW.astype(np.uint8) if values_HW.dtype == bool else values_HW, True
    # By way of RGBA: a transparent palette entry keeps its colour.
    colours_HW3 = np.asarray(image.convert("RGBA"))[..., :3]
    grey = image.mode != "P" and bool((colours_HW3 == colours_HW3[..., :1]).all())
    return colours_HW3.max(axis=2), grey


def _alpha(image: Image.Image) -> np.ndarray | None:
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return np.asarray(image.convert("RGBA").getchannel("A"))
    return None


def _tells(alpha_HW: np.ndarray, levels_HW: np.ndarray) -> bool:
    """Alpha tells the object where it varies by half or more, or where nothing else varies."""
    spread = int(alpha_HW.max()) - int(alpha_HW.min())
    return spread >= _HALF or (spread > 0 and levels_HW.min() == levels_HW.max())


def _void(image: Image.Image, levels_HW: np.ndarray, grey: bool) -> np.ndarray:
    """Return the pixels of VOC's border; there is none unless something else is not black."""
    if image.mode == "P":
        void_HW = (np.asarray(image) == VOID) & (levels_HW > 0)
    elif grey and image.format not in _LOSSY and levels_HW.max() == VOID:
        others = levels_HW[(levels_HW > 0) & (levels_HW < VOID)]
        numbers = len(others) and others.max() <= _MOST_NUMBERED and not _is_soft(levels_HW)
        void_HW = levels_HW == (VOID if numbers else -1)
    elif image.mode in ("RGB", "RGBA") and image.format not in _LOSSY:
        void_HW = (np.asarray(image)[..., :3] == VOID_RGB).all(axis=2)
    else:
        void_HW = np.zeros(levels_HW.shape, bool)
    return void_HW if (levels_HW[~void_HW] > 0).any() else np.zeros(levels_HW.shape, bool)


def _object(levels_HW: np.ndarray, lossy: bool) -> tuple[np.ndarray, int]:
    """Return the pixels that are not black, and how many grey ones had to be cut at half."""
    most = levels_HW.max()
    if lossy and 0 < most < _HALF:
        raise ValueError(f"a JPEG whose brightest pixel is {most}: numbers do not survive JPEG")
    if not lossy and not _is_soft(levels_HW):
        return levels_HW != 0, 0
    between = int(((levels_HW > 0) & (levels_HW < most)).sum())
    return 2 * levels_HW.astype(np.float64) >= most if between else levels_HW != 0, between


def _is_soft(levels_HW: np.ndarray) -> bool:
    """Tell the greys of edges from numbers: many, and most beside another grey."""
    most = levels_HW.max()
    between_HW = (levels_HW > 0) & (levels_HW < most)
    if most < _HALF or len(np.unique(levels_HW[between_HW])) < _SOFT_GREYS:
        return False
    padded = np.pad(levels_HW, 1, mode="edge")
    flat_HW = between_HW.copy()
    for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
        height, width = levels_HW.shape
        flat_HW &= padded[rows : rows + height, columns : columns + width] == levels_HW
    return bool(2 * flat_HW.sum() < between_HW.sum())
