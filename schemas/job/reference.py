"""Visual references: an image, a category, and what the user drew on it.

Coordinates are pixels of the displayed image (EXIF orientation applied), x to the right and y down,
with (0, 0) the top-left corner of the top-left pixel.
"""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, FiniteFloat, model_validator

from schemas.spec import Spec, Uri

Point = tuple[FiniteFloat, FiniteFloat]


class MaskFile(Spec):
    """A mask file of the image's size; `vrp plan` says what it is understood to be.

    The object is what alpha shows where alpha varies, else what is not black, but for VOC's border
    (255). Grey steps of soft edges are cut at half. With `value`, the pixels of that number.
    """

    type: Literal["mask"]
    uri: Uri
    value: int | None = Field(default=None, ge=0, le=65535)


class Rle(Spec):
    """A COCO run-length encoded mask, compressed (text) or not (a list of run lengths)."""

    type: Literal["rle"]
    size: tuple[int, int] = Field(description="Height and width, as COCO writes them.")
    counts: str | tuple[int, ...]


class Polygons(Spec):
    """COCO polygons: each a flat list x0, y0, x1, y1, … of at least three corners."""

    type: Literal["polygon"]
    polygons: Annotated[tuple[tuple[float, ...], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _corners(self) -> Self:
        for number, polygon in enumerate(self.polygons):
            if len(polygon) < 6 or len(polygon) % 2:
                raise ValueError(
                    f"polygon {number} has {len(polygon)} numbers; "
                    "wanted x and y of at least 3 corners"
                )
        return self


class Box(Spec):
    """A box around the object: left, top, right, bottom."""

    type: Literal["box"]
    xyxy: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]

    @model_validator(mode="after")
    def _has_area(self) -> Self:
        left, top, right, bottom = self.xyxy
        if not (left < right and top < bottom):
            raise ValueError(
                f"a box with no area: {self.xyxy}; wanted left < right and top < bottom, in pixels "
                "(not x, y, width, height)"
            )
        return self


class Points(Spec):
    """Points on the object."""

    type: Literal["points"]
    points: Annotated[tuple[Point, ...], Field(min_length=1)]


class Scribbles(Spec):
    """Strokes on the object: polylines drawn with a round brush."""

    type: Literal["scribbles"]
    strokes: Annotated[
        tuple[Annotated[tuple[Point, ...], Field(min_length=1)], ...], Field(min_length=1)
    ]
    width_px: FiniteFloat = Field(default=8.0, gt=0, description="Brush width in image pixels.")


class CocoAnnotation(Spec):
    """One annotation of a COCO instances file, by its id."""

    type: Literal["coco"]
    uri: Uri
    annotation_id: int


Annotation = Annotated[
    MaskFile | Rle | Polygons | Box | Points | Scribbles | CocoAnnotation,
    Field(discriminator="type"),
]


def _readable(name: str) -> str:
    if not name.strip() or not name.isprintable():
        raise ValueError(f"{name!r} is blank or has control characters; wanted a name")
    return name


CategoryName = Annotated[str, AfterValidator(_readable)]


class Category(Spec):
    """A kind of object to label; the id is what COCO and the rows carry."""

    id: int = Field(ge=1, lt=2**31)
    name: CategoryName


class Reference(Spec):
    """One annotated example of one category. An image that shows two categories is listed twice."""

    category: CategoryName = Field(description="A category's name.")
    image: Uri
    annotation: Annotation


BestReferences = int | Literal["all"] | None
"""How many of a category's references an image is asked with; None: the best of many."""
MANY_REFERENCES, BEST_OF_MANY = 10, 5


def best_of(best: BestReferences, count: int) -> int | None:
    """Return how many of a category's references are chosen for each image; None: all are asked."""
    if best is None:
        return BEST_OF_MANY if count > MANY_REFERENCES else None
    return None if best == "all" else min(best, count)
