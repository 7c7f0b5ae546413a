"""A folder of class folders becomes photos in memory, each with the masks of its categories.

The folder holds `<category>/<id>.jpg` with `<category>/<id>.png` (black or not); the same bytes
under one id in several categories are one photo. `manifest.json`, where there is one, gives each
pair's `group`: photos of one picture or sequence, which are never divided between training and
validation. Without it, those of equal bytes are one.

Beside them may lie a folder of cut-outs, `<category>/<name>.png` with transparency around an
object: categories that no photo shows, to paste into photos. What trains on a few dozen categories
learns these instead of the reference; a thousand more teach it to look.
"""

import hashlib
import io
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.random import Generator
from PIL import Image

from pipeline.datasets.folder import foreground
from pipeline.images.decode import UNREADABLE, decode_image, displayed_size, orientation_of
from schemas.errors import BadInput
from schemas.job.compute import Limits

EVERY_PIXEL = ("msrc_v2",)
"""Sources of ids that label all there is: what they do not name is absent."""

USES, AT_ONCE = 12, 60
"""A category is pasted so many times, one of so many that take turns: few pictures are kept, and
an episode needs two of a category."""


@dataclass(frozen=True)
class Photo:
    """A photo's bytes and its masks' by category."""

    id: str
    group: str
    jpeg: bytes
    masks: dict[str, bytes]

    @property
    def source(self) -> str:
        """What the id begins with."""
        return self.id.rpartition("-")[0]

    def size_wh(self) -> tuple[int, int]:
        """Return the width and height as displayed, by the header."""
        with Image.open(io.BytesIO(self.jpeg)) as image:
            stored_HW = (image.height, image.width)
            height, width = displayed_size(stored_HW, orientation_of(image))
        return width, height

    def mask_size_wh(self, category: str) -> tuple[int, int]:
        """Return a mask's width and height, by the header."""
        with Image.open(io.BytesIO(self.masks[category])) as mask:
            return mask.size

    def open(self) -> Image.Image:
        """Decode the photo as it is displayed: RGB."""
        return Image.fromarray(decode_image(self.jpeg, Limits()).pixels_HW3)

    def open_mask(self, category: str) -> Image.Image:
        """Decode a mask: L, 0 or 255."""
        return Image.fromarray(self.mask(category).astype(np.uint8) * 255)

    def mask(self, category: str) -> np.ndarray:
        """Decode a mask: bool [H, W], whatever is not black."""
        with Image.open(io.BytesIO(self.masks[category])) as mask:
            return foreground(mask)


def read_photos(folder: Path) -> list[Photo]:
    """Read every pair, by id.

    Raises BadInput of a mask of another size than its photo, or a manifest that is not of pairs.
    """
    groups = _groups(folder / "manifest.json")
    photos: dict[tuple[str, str], Photo] = {}
    for path in sorted(folder.glob("*/*.png")):
        beside = path.with_suffix(".jpg")
        if not beside.is_file():
            continue
        category, name = path.parent.name, path.stem
        jpeg, png = beside.read_bytes(), path.read_bytes()
        # Two categories may number their photos alike: an id alone does not name one.
        content = hashlib.sha256(jpeg).hexdigest()
        group = groups.get((category, name), content)
        photo = photos.setdefault((name, content), Photo(name, group, jpeg, {}))
        photo.masks[category] = png
        _check_size(photo, category, path)
    return [photos[key] for key in sorted(photos)]


def _check_size(photo: Photo, category: str, path: Path) -> None:
    """Raise BadInput where a mask, read from a path, does not lie on its photo."""
    try:
        seen, masked = photo.size_wh(), photo.mask_size_wh(category)
    except UNREADABLE as error:
        raise BadInput(
            "a photo or its mask cannot be read", str(path), str(error), "a JPEG and a PNG"
        ) from error
    if seen != masked:
        raise BadInput(
            "a mask of another size than its photo",
            str(path),
            f"{masked[0]} x {masked[1]} pixels",
            f"{seen[0]} x {seen[1]}, as {path.stem}.jpg is displayed",
        )


def _groups(manifest: Path) -> dict[tuple[str, str], str]:
    """Return each pair's group, by category and id; none where there is no manifest."""
    if not manifest.is_file():
        return {}
    try:
        rows = json.loads(manifest.read_text())
        return {(row["category"], row["id"]): row["group"] for row in rows}
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(
            "a manifest that is not of pairs",
            str(manifest),
            f"{type(error).__name__}: {error}",
            "a JSON list of objects with category, id and group; or no such file",
        ) from error


def hold_out(
    photos: Sequence[Photo], categories: Collection[str]
) -> tuple[list[Photo], list[Photo]]:
    """Divide photos into those to train on, and all of the held-out categories' groups."""
    held = {photo.group for photo in photos if not photo.masks.keys().isdisjoint(categories)}
    training = [photo for photo in photos if photo.group not in held]
    return training, [photo for photo in photos if photo.group in held]


@dataclass(frozen=True)
class Material:
    """What training pictures are made of: photos, and cut-outs as PNG bytes by category."""

    photos: Sequence[Photo]
    cutouts: Mapping[str, Sequence[bytes]] = field(default_factory=dict)


def read_cutouts(folder: Path) -> dict[str, list[bytes]]:
    """Read `<category>/<name>.png`. Raises BadInput where there is none."""
    found: dict[str, list[bytes]] = {}
    for path in sorted(folder.glob("*/*.png")):
        found.setdefault(path.parent.name, []).append(path.read_bytes())
    if not found:
        raise BadInput("no cut-outs", str(folder), "no <category>/<name>.png", "one at least")
    return found


class Turns:
    """Draws cut-outs: a few categories at a time, each so often that it is met again."""

    def __init__(self, cutouts: Mapping[str, Sequence[bytes]]) -> None:
        self._cutouts = cutouts
        self._names = sorted(cutouts)
        self._uses: dict[str, int] = {}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._names)

    def draw(self, rng: Generator) -> tuple[str, Image.Image]:
        """Return a category, `cutout/<its name>`, and one of its cut-outs, RGBA."""
        while len(self._uses) < min(AT_ONCE, len(self._names)):
            self._uses.setdefault(self._names[int(rng.integers(len(self._names)))], 0)
        name = list(self._uses)[int(rng.integers(len(self._uses)))]
        self._uses[name] += 1
        if self._uses[name] == USES:
            del self._uses[name]
        shown = self._cutouts[name]
        png = shown[int(rng.integers(len(shown)))]
        return f"cutout/{name}", Image.open(io.BytesIO(png)).convert("RGBA")


Origin = Mapping[str, str]
"""What a training came from, each part by its name, as a person reads it.

lite.pt keeps it, so that what is called held out was never trained on.
"""


def origin_of(training: Sequence[Photo], held_out: Collection[str]) -> Origin:
    """Return the photos that are trained on, their masks and groups, and what is held out."""
    parts = []
    for p in training:
        masks = sorted((category, _digest([png])) for category, png in p.masks.items())
        parts.append(repr((p.id, p.group, _digest([p.jpeg]), masks)).encode())
    photos = f"{len(training)} to train on, digest {_digest(parts)}"
    return {"held out": ", ".join(sorted(held_out)) or "nothing", "photos": photos}


def begun_with(cutouts: Mapping[str, Sequence[bytes]], start: str, seed: int) -> Origin:
    """Return what else must stay as it was while a training goes on."""
    pngs = [png for name in sorted(cutouts) for png in (name.encode(), *cutouts[name])]
    pasted = f"{len(cutouts)} categories, digest {_digest(pngs)}" if cutouts else "none"
    return {"cut-outs": pasted, "start": start, "seed": str(seed)}


def _digest(parts: Iterable[bytes]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()[:16]


def check_origin(kept: Origin | None, asked: Origin, where: str) -> None:
    """Raise BadInput where a checkpoint keeps another origin; one of before keeps none at all."""
    if kept is None:
        return
    differing = [name for name, part in asked.items() if kept[name] != part]
    if differing:
        raise BadInput(
            "a training that came from something else",
            where,
            "; ".join(f"{name}: {asked[name]}" for name in differing),
            "; ".join(f"{name}: {kept[name]}" for name in differing),
        )
