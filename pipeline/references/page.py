"""What a check said of references becomes a page that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from model.segmenter import LoadedReference
from pipeline.masks.runs import encode_rle
from pipeline.references.check import CategoryChecked, Checked, Expected
from pipeline.references.collection import Sampled
from pipeline.references.faults import Fault
from pipeline.report.pictures import (
    Picture,
    as_picture,
    colour_of,
    draw_annotation,
    outline,
    small_copy,
)
from pipeline.report.template import filled

TEMPLATE = Path(__file__).with_name("page.html.j2")


@dataclass(frozen=True)
class Card:
    """A picture, its name, and what is said of it."""

    picture: Picture
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class CategoryCards:
    """A category: what to expect of it, its references, and the images to annotate next."""

    name: str
    expected: str
    references: tuple[Card, ...]
    advised: tuple[Card, ...]


def page_of(
    job: str, checked: Checked, said_by_id: Mapping[str, str], images: Sequence[Sampled]
) -> str:
    """Return the page; names are escaped. images are those of the collection that were read."""
    categories = [_cards(one, checked, said_by_id) for one in checked.categories]
    return filled(TEMPLATE, job=job, categories=categories, images=len(images))


def interval(expected: Expected) -> str:
    """Return what to expect as it is printed."""
    if expected.iou is None:
        return "too few masks or boxes to tell"
    return f"{expected.iou:.2f} [{expected.low:.2f}, {expected.high:.2f}]"


def advice(fault: Fault) -> str:
    """Return a fault's name, what to do, and why."""
    what = "drop it" if fault.drop else "keep it"
    return f"{fault.kind.replace('_', ' ')}, {what}: {fault.said}"


def _cards(one: CategoryChecked, checked: Checked, said_by_id: Mapping[str, str]) -> CategoryCards:
    expected = f"expected IoU {interval(one.as_it_is)}"
    if one.without_dropped.references < one.as_it_is.references:
        expected += f"; without what is better dropped {interval(one.without_dropped)}"
    own = [r for r in checked.references if r.category_id == one.category_id]
    return CategoryCards(
        one.category,
        expected,
        tuple(_reference_card(reference, checked, said_by_id) for reference in own),
        tuple(_advised_card(image, one.category_id) for image in one.advised),
    )


def _reference_card(
    reference: LoadedReference, checked: Checked, said_by_id: Mapping[str, str]
) -> Card:
    found = checked.iou_by_id.get(reference.id)
    lines = [] if found is None else [f"IoU {found:.2f} when the others look for it"]
    lines += [advice(fault) for fault in checked.faults if fault.reference == reference.id]
    name = said_by_id[reference.id]
    return Card(as_picture(_drawn(reference), name), name, tuple(lines))


def _drawn(reference: LoadedReference) -> Image.Image:
    small, colour = small_copy(reference.image_HW3), colour_of(0)
    if isinstance(reference.annotation, np.ndarray):
        return outline(small, encode_rle(reference.annotation), colour)
    height, width, _ = reference.image_HW3.shape
    return draw_annotation(small, reference.annotation, (height, width), colour)


def _advised_card(image: Sampled, category_id: int) -> Card:
    line = f"shows it with a probability of {image.found[category_id].chance:.2f}"
    return Card(as_picture(image.small, image.image_id), image.image_id, (line,))
