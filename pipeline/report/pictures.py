"""Draw masks and annotations on small copies of images, as data URIs for a page.

Letters: H W pixels of the image, h w pixels of the picture.
"""

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from pycocotools import mask as coco_mask

from schemas.job.reference import Annotation, Box, Points, Rle, Scribbles

SIDE_PX = 480  # about 25 kB as JPEG; sharp on a phone, where a card is 170 points wide
TINT = 0.25
# A mask thinner than a pixel of the picture still shows where it fills a third of one.
SEEN_ABOVE = 85
# Bright colours that stand apart on photos for most colour-blind readers too; names are beside
# every picture, so that no meaning hangs on a colour alone.
COLOURS = ("#ffd500", "#00c8ff", "#ff6bb5", "#7dff4d", "#ff8c1a", "#c29bff", "#ff5d5d", "#2ff5c0")
TRUE_COLOUR = "#ffffff"


@dataclass(frozen=True)
class Picture:
    """A JPEG as a data URI, its size, and the words for who cannot see it."""

    source: str
    width: int
    height: int
    alt: str


def colour_of(index: int) -> str:
    """Return the colour of the category at an index of the commit's list."""
    return COLOURS[index % len(COLOURS)]


def small_copy(image_HW3: np.ndarray) -> Image.Image:
    """Scale an image, uint8 RGB, to a longest side of SIDE_PX: up too, so that lines are fine."""
    height, width, _ = image_HW3.shape
    scale = SIDE_PX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return Image.fromarray(image_HW3).resize(size, Image.Resampling.BICUBIC, reducing_gap=3)


def outline(picture: Image.Image, runs: Any, colour: str, tint: float = TINT) -> Image.Image:
    """Return the picture with a mask's edge in a colour between dark lines, its inside tinted.

    runs is COCO RLE of the image's size.
    """
    mask_HW = coco_mask.decode(runs) * np.uint8(255)
    small = Image.fromarray(mask_HW).resize(picture.size, Image.Resampling.BOX)
    inside = Image.fromarray((np.asarray(small) > SEEN_ABOVE) * np.uint8(255))
    edge = inside.filter(ImageFilter.MaxFilter(5))
    around = inside.filter(ImageFilter.MaxFilter(7))
    drawn = picture.copy()
    drawn.paste("black", mask=_minus(around, inside))
    drawn.paste(colour, mask=_minus(edge, inside))
    drawn.paste(colour, mask=Image.blend(Image.new("L", inside.size), inside, tint))
    return drawn


def draw_annotation(
    picture: Image.Image, annotation: Annotation, size_HW: tuple[int, int], colour: str
) -> Image.Image:
    """Return the picture with what was drawn on the reference; size_HW is the annotation's."""
    drawn = picture.copy()
    pen = ImageDraw.Draw(drawn)
    across, down = picture.width / size_HW[1], picture.height / size_HW[0]
    match annotation:
        case Box(xyxy=(left, top, right, bottom)):
            corners = (left * across, top * down, right * across, bottom * down)
            for grown, width, ink in ((3, 9, "black"), (1, 5, colour)):
                wider = (
                    corners[0] - grown,
                    corners[1] - grown,
                    corners[2] + grown,
                    corners[3] + grown,
                )
                pen.rectangle(wider, outline=ink, width=width)
        case Points(points=points):
            for x, y in points:
                for radius, ink in ((8, "black"), (6, colour)):
                    pen.circle((x * across, y * down), radius, fill=ink)
        case Scribbles(strokes=strokes, width_px=width_px):
            thick = max(3, round(width_px * across))
            for stroke in strokes:
                line = [(x * across, y * down) for x, y in stroke]
                for width, ink in ((thick + 4, "black"), (thick, colour)):
                    _stroke(pen, line, width, ink)
        case Rle(size=size, counts=str(counts)):
            runs = {"size": list(size), "counts": counts.encode("ascii")}
            return outline(picture, runs, colour, tint=0.4)
        case _:
            raise AssertionError("references are kept as geometry or as compressed RLE")
    return drawn


def as_picture(image: Image.Image, alt: str) -> Picture:
    """Encode a picture for the page."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return Picture(f"data:image/jpeg;base64,{data}", image.width, image.height, alt)


def _minus(larger: Image.Image, smaller: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(larger) & ~np.asarray(smaller))


def _stroke(
    pen: ImageDraw.ImageDraw, line: list[tuple[float, float]], width: int, ink: str
) -> None:
    pen.line(line, fill=ink, width=width, joint="curve")
    for end in (line[0], line[-1]):  # a round brush, which Pillow's lines are not
        pen.circle(end, width / 2, fill=ink)
