"""Tell what is drawn beside an image from what is drawn on it."""

from schemas.errors import BadReference
from schemas.job.reference import Box, Points, Scribbles


def check_inside(
    annotation: Box | Points | Scribbles, size_HW: tuple[int, int], where: str
) -> None:
    """Raise BadReference: points and strokes must lie in the image; a box must overlap it."""
    height, width = size_HW
    match annotation:
        case Box(xyxy=(left, top, right, bottom)):
            outside = left >= width or top >= height or right <= 0 or bottom <= 0
            got = f"the box {annotation.xyxy}"
            if right <= 1 and bottom <= 1:
                raise BadReference(
                    "a reference box is smaller than a pixel",
                    where,
                    f"{got}; are these shares of the image?",
                    "left, top, right, bottom in pixels",
                )
        case Points(points=points):
            bad = [(x, y) for x, y in points if not (0 <= x < width and 0 <= y < height)]
            outside, got = bool(bad), f"the points {bad[:5]}"
        case Scribbles(strokes=strokes):
            corners = [point for stroke in strokes for point in stroke]
            bad = [(x, y) for x, y in corners if not (0 <= x < width and 0 <= y < height)]
            outside, got = bool(bad), f"the stroke corners {bad[:5]}"
    if outside:
        raise BadReference(
            "a reference annotation lies outside its image",
            where,
            got,
            f"0 <= x < {width} and 0 <= y < {height}",
        )
