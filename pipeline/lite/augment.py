"""A generator of random numbers in, changed images out: colour, crop, blur, compression."""

import io
import math

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def recolour(image: Image.Image, rng: Generator, strength: float = 1.0) -> Image.Image:
    """Change brightness, contrast, saturation, hue and white balance, in one matrix."""
    saturation = rng.uniform(1 - 0.5 * strength, 1 + 0.5 * strength)
    if rng.random() < 0.06 * strength:
        saturation = 0.0
    # Hue: a rotation about the grey axis, mostly small.
    angle = rng.normal(0, 0.12 * strength)
    third, root = (1 - math.cos(angle)) / 3, math.sqrt(1 / 3) * math.sin(angle)
    straight = math.cos(angle) + third
    hue = np.array(
        [
            [straight, third - root, third + root],
            [third + root, straight, third - root],
            [third - root, third + root, straight],
        ]
    )
    grey = np.tile(_GREY, (3, 1))
    gain = rng.uniform(1 - 0.35 * strength, 1 + 0.2 * strength)
    balance = gain * rng.uniform(1 - 0.1 * strength, 1 + 0.1 * strength, 3)
    matrix = balance[:, None] * (hue @ (saturation * np.eye(3) + (1 - saturation) * grey))
    contrast = rng.uniform(1 - 0.3 * strength, 1 + 0.25 * strength)
    level = 120 * (1 - contrast) + rng.uniform(-12, 12) * strength
    rows = np.concatenate([matrix * contrast, np.full((3, 1), level)], axis=1)
    return image.convert("RGB", tuple(rows.ravel().tolist()))


def worsen(image: Image.Image, rng: Generator) -> Image.Image:
    """Blur or compress, now and then."""
    drawn = rng.random()
    if drawn < 0.12:
        return image.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.6)))
    if drawn < 0.3:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=int(rng.integers(25, 80)))
        return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")
    return image


def draw_crop(
    size_wh: tuple[int, int], rng: Generator, least: float = 0.3
) -> tuple[float, float, float, float]:
    """Draw a box (left, top, right, bottom) of an image: of `least` to all of its area."""
    width, height = size_wh
    if rng.random() < 0.15:
        return 0.0, 0.0, float(width), float(height)
    side = math.sqrt(rng.uniform(least, 1))
    stretch = math.exp(rng.uniform(-0.25, 0.25))
    w, h = min(side * stretch, 1) * width, min(side / stretch, 1) * height
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    return left, top, left + w, top + h
