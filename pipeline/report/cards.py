"""Turn picked images and kept references into cards: a picture, a name, a line per label."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from PIL import Image

from pipeline.images.decode import decode_image
from pipeline.images.labelled import decode_labelled
from pipeline.inputs.read_again import ImageOrReason, read_again
from pipeline.report.pictures import (
    TRUE_COLOUR,
    Picture,
    as_picture,
    colour_of,
    draw_annotation,
    outline,
    small_copy,
)
from pipeline.report.survey import Pick
from pipeline.report.truth import Truth
from schemas.errors import ImageRejected
from schemas.job.compute import Limits
from schemas.job.storage import Storage
from schemas.record.commit import Commit
from schemas.record.run import KeptReference

LINES_PER_CARD = 6  # a job may have a thousand categories
MARKS = {"points": "points", "box": "a box", "scribbles": "scribbles", "rle": "a mask"}


@dataclass(frozen=True)
class Line:
    """One label of an image: a colour, a name, and what there is to say."""

    colour: str
    name: str
    says: str


@dataclass(frozen=True)
class Card:
    """A picture with its name and lines, or the reason why there is no picture."""

    name: str
    lines: tuple[Line, ...]
    picture: Picture | None = None
    missing: str | None = None
    more: int = 0


def label_cards(
    picks: Iterable[Pick], commit: Commit, truth: Truth | None, storage: Storage
) -> dict[str, Card]:
    """Return a card for each pick, by `card_key`; each image is read once, one after the other."""
    by_uri: dict[str, list[Pick]] = {}
    for pick in picks:
        by_uri.setdefault(pick.uri, []).append(pick)
    colours = {category.id: colour_of(i) for i, category in enumerate(commit.categories)}
    cards = {}
    for uri, read in read_again(by_uri, storage):
        row = by_uri[uri][0].rows[0]
        photo = _photo(read, (row["height"], row["width"]))
        for pick in by_uri[uri]:
            cards[card_key(pick)] = _label_card(pick, photo, colours, truth)
    return cards


def card_key(pick: Pick) -> str:
    """Return what tells cards apart: the image, and the category it was chosen for."""
    return f"{pick.rows[0]['category_id']} {pick.image_id}"


def reference_cards(
    kept: Iterable[tuple[KeptReference, bytes]], commit: Commit
) -> Iterable[tuple[int, Card]]:
    """Yield a category id and a card for each kept reference."""
    indices = {category.id: index for index, category in enumerate(commit.categories)}
    for reference, jpeg in kept:
        index = indices[reference.category_id]
        name = commit.categories[index].name
        mark = MARKS[reference.annotation.type]
        line = Line(colour_of(index), name, f"annotated with {mark}")
        card = Card(f"reference {reference.id}", (line,))
        size_HW = (reference.height, reference.width)
        photo = _photo(jpeg, None)  # a smaller copy
        if isinstance(photo, str):
            yield reference.category_id, replace(card, missing=photo)
            continue
        drawn = draw_annotation(photo, reference.annotation, size_HW, line.colour)
        alt = f"Reference of {name}, annotated with {mark}"
        yield reference.category_id, replace(card, picture=as_picture(drawn, alt))


def _photo(read: ImageOrReason, label_HW: tuple[int, int] | None) -> Image.Image | str:
    """Return a small copy of an image, or why there is none."""
    if isinstance(read, str):
        return read
    try:
        if label_HW is not None:
            return small_copy(decode_labelled(read, label_HW, Limits()))
        return small_copy(decode_image(read, Limits()).pixels_HW3)
    except ImageRejected as rejected:
        if rejected.reason == "missing":
            return rejected.message
        return f"the image can no longer be decoded: {rejected.message}"


def _label_card(
    pick: Pick, photo: Image.Image | str, colours: Mapping[int, str], truth: Truth | None
) -> Card:
    lines = tuple(
        Line(colours[row["category_id"]], row["category"], _says(row, iou))
        for row, iou in zip(pick.rows, pick.ious, strict=True)
    )
    shown = lines[:LINES_PER_CARD]
    card = Card(pick.image_id, shown, more=len(lines) - len(shown))
    if isinstance(photo, str):
        return replace(card, missing=photo)
    image = truth.image(pick.image_id) if truth else None
    for row in reversed(pick.rows[:LINES_PER_CARD]):  # the one it was chosen for on top
        true = truth.masks.get((image, row["category_id"])) if truth and image is not None else None
        if true:
            photo = outline(photo, true, TRUE_COLOUR, tint=0)
        if row["status"] == "labelled":
            size = [row["height"], row["width"]]
            runs = {"size": size, "counts": row["rle_counts"].encode("ascii")}
            photo = outline(photo, runs, colours[row["category_id"]])
    said = "; ".join(f"{line.name}: {line.says}" for line in shown)
    return replace(card, picture=as_picture(photo, f"Image {pick.image_id}. {said}"))


def _says(row: Mapping[str, object], iou: float | None) -> str:
    said = "score" if row["status"] == "labelled" else "no mask; score"
    there = ""
    if row["decision"] is not None:
        there = f", probability {row['probability']:.2f}: {row['decision']}"
    against = "" if iou is None else f", IoU {iou:.2f}"
    return f"{said} {row['score']:.2f}{there}{against}"
