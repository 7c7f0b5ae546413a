"""Give each category of a commit an index and a colour: VOC's, or those of a file."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.storage.place import Place
from schemas.errors import BadInput
from schemas.job.reference import Category
from schemas.job.storage import Storage
from schemas.record.commit import Commit

MOST_COLOURS = 256  # of an 8-bit PNG, the background's among them
BACKGROUND = "background"
VOC = "voc"

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Legend:
    """Which palette index and colour each category has; index 0 is the background."""

    indices: Mapping[int, int]  # palette index by category id, from 1 in the order of the ids
    colours: Sequence[Colour]  # by palette index

    def describe(self, commit: Commit) -> bytes:
        """Return legend.json, which depends on the job and the palette, not on the images."""
        entries = [_entry(0, None, self.colours[0])]
        for category in sorted(commit.categories, key=lambda category: category.id):
            index = self.indices[category.id]
            entries.append(_entry(index, category, self.colours[index]))
        document = {
            "fingerprint": commit.fingerprint,
            "random_weights": list(commit.random_weights),
            "overlaps": "greatest score",
            "entries": entries,
        }
        return json.dumps(document, indent=1).encode() + b"\n"


def read_palette(name: str, storage: Storage) -> dict[str, Colour] | None:
    """Return the colours of a JSON file by name; None for `voc`, whose colours go by number.

    Raises BadInput for a file of another kind, BadStorage for one that cannot be read.
    """
    if name == VOC:
        return None
    data = Place.open(name, storage).read()
    try:
        document = json.loads(data)
        return {str(key): _colour(value) for key, value in document.items()}
    except (ValueError, AttributeError) as error:
        raise BadInput(
            "a palette that cannot be read",
            name,
            str(error),
            'a JSON object of colours by category name, {"cat": "#ff8800"}, or the word voc',
        ) from error


def make_legend(categories: Sequence[Category], colours: Mapping[str, Colour] | None) -> Legend:
    """Number the categories by their ids; colours by name, or VOC's by number. Raises BadInput."""
    ordered = sorted(categories, key=lambda category: category.id)
    if len(ordered) >= MOST_COLOURS:
        raise BadInput(
            "more categories than a PNG has colours",
            "the job's categories",
            f"{len(ordered)}",
            f"at most {MOST_COLOURS - 1} and the background",
        )
    indices = {category.id: index for index, category in enumerate(ordered, 1)}
    if colours is None:
        return Legend(indices, [voc_colour(index) for index in range(len(ordered) + 1)])
    if bare := [category.name for category in ordered if category.name not in colours]:
        raise BadInput(
            "a palette without a colour for every category",
            "--palette",
            f"none for {', '.join(bare)}",
            "a colour for each name",
        )
    chosen = [colours.get(BACKGROUND, (0, 0, 0)), *(colours[c.name] for c in ordered)]
    return Legend(indices, chosen)


def voc_colour(index: int) -> Colour:
    """Return the colour of an index as VOC's PNGs have it: its bits, three by three, from the top.

    VOC 2012 development kit, VOClabelcolormap.
    """
    red = green = blue = 0
    for bit in range(8):
        red |= (index & 1) << (7 - bit)
        green |= (index >> 1 & 1) << (7 - bit)
        blue |= (index >> 2 & 1) << (7 - bit)
        index >>= 3
    return red, green, blue


def _colour(value: object) -> Colour:
    if not isinstance(value, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise ValueError(f"the colour {value!r} is not like #ff8800")
    red, green, blue = bytes.fromhex(value[1:])
    return red, green, blue


def _entry(index: int, category: Category | None, colour: Colour) -> dict[str, Any]:
    return {
        "index": index,
        "category_id": category.id if category else None,
        "name": category.name if category else BACKGROUND,
        "colour": "#{:02x}{:02x}{:02x}".format(*colour),
    }
