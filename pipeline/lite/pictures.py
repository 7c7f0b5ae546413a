"""Photos, cut-outs and scenes become training pictures: an image and each category's mask in it.

A picture is a photo, changed; or a photo with objects pasted into it that were cut out of others
or of anything (`pipeline/lite/photos.py`); or a drawn scene. Pasted objects give exact masks,
several instances and categories that are surely absent. Among them are *patches*: pieces of any
photo in any object's outline, a category of their own that a few pictures share. They keep a
network from knowing all categories there are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageFilter

from pipeline.lite.augment import draw_crop, recolour, worsen
from pipeline.lite.photos import EVERY_PIXEL, Material, Turns
from pipeline.scenes.categories import BASE
from pipeline.scenes.compose import scene

SIDE = 384
HALF = SIDE // 2
"""Masks are kept at the resolution of SAM's logits."""

LEAST_SHARE = 0.003
"""Of the picture: a category that shows less is not asked for."""

STUFF = frozenset({"grass", "sky", "road", "building", "tree", "water", "mountain"})
PATCH_USES = 6

SCENE_SHARE, PLAIN_SHARE = 0.15, 0.55
"""Of pictures: drawn scenes, and photos into which nothing is pasted."""

CUTOUT_SHARE = 0.45
"""Of pasted objects, where there are cut-outs of other categories."""


@dataclass(frozen=True)
class Picture:
    """An image, the categories in it, and their parts (instances, or connected pieces).

    origins are the groups of the photos it was made from; complete says that whatever the
    categories do not name is absent.
    """

    image_HW3: np.ndarray
    categories: tuple[str, ...]
    masks_KHW: np.ndarray
    parts: tuple[tuple[int, np.ndarray], ...]
    origins: frozenset[str]
    complete: bool


@dataclass
class _Canvas:
    """A picture while objects are pasted onto it: masks of what is visible, one an object."""

    image: Image.Image
    objects: list[tuple[str, np.ndarray]]
    origins: set[str]
    complete: bool

    def paste(self, name: str, cutout: Image.Image, at_xy: tuple[int, int]) -> None:
        """Paste an RGBA cut-out with its corner at a place, over what is there."""
        full = Image.new("L", (SIDE, SIDE), 0)
        full.paste(cutout.getchannel("A"), at_xy)
        mask_HW = np.asarray(full.resize((HALF, HALF), Image.Resampling.BOX)) > 127
        if mask_HW.mean() < LEAST_SHARE:
            return
        soft = full.filter(ImageFilter.GaussianBlur(0.8))
        layer = Image.new("RGB", (SIDE, SIDE))
        layer.paste(cutout.convert("RGB"), at_xy)
        self.image.paste(layer, (0, 0), soft)
        self.objects = [(other, seen & ~mask_HW) for other, seen in self.objects]
        self.objects.append((name, mask_HW))


class Pictures:
    """Draws pictures without end, from what is held in memory and a seed."""

    def __init__(self, material: Material, seed: int) -> None:
        self._photos = photos = material.photos
        self._cutouts = Turns(material.cutouts)
        self._rng = np.random.default_rng(seed)
        self._seed = seed
        self._scenes = 0
        self._by_category: dict[str, list[int]] = {}
        for number, photo in enumerate(photos):
            for category in photo.masks:
                self._by_category.setdefault(category, []).append(number)
        self._names = sorted(self._by_category)
        counts = np.array([len(self._by_category[name]) for name in self._names], float)
        garment = np.array([self._is_garment(name) for name in self._names])
        weights = np.sqrt(counts) * np.where(garment, 0.5, 1.0)
        self._photo_weights = weights / weights.sum()
        weights = weights * [0.15 if name in STUFF else 1.0 for name in self._names]
        self._paste_weights = weights / weights.sum()
        self._drawn: list[tuple[str, Image.Image]] = []
        self._patches: list[tuple[str, Image.Image, int, str]] = []
        self._patch_count = 0

    def _is_garment(self, name: str) -> bool:
        return all(self._photos[n].source.startswith("ccp") for n in self._by_category[name])

    def draw(self) -> Picture:
        """Draw the next picture."""
        rng = self._rng
        drawn = rng.random()
        if drawn < SCENE_SHARE:
            canvas = self._scene()
        else:
            canvas = self._photo()
            if drawn > SCENE_SHARE + PLAIN_SHARE:
                for _ in range(int(rng.choice([1, 2, 3, 4], p=[0.35, 0.35, 0.2, 0.1]))):
                    self._paste_one(canvas)
        image = worsen(recolour(canvas.image, rng, 0.6), rng)
        if rng.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            canvas.objects = [(name, mask_HW[:, ::-1]) for name, mask_HW in canvas.objects]
        return _finish(np.asarray(image), canvas)

    def _photo(self) -> _Canvas:
        rng = self._rng
        category = self._names[int(rng.choice(len(self._names), p=self._photo_weights))]
        own = self._by_category[category]
        photo = self._photos[own[int(rng.integers(len(own)))]]
        image, mask_HW = photo.open(), photo.mask(category)
        box = draw_crop(image.size, rng)
        for _ in range(4):
            left, top, right, bottom = (int(edge) for edge in box)
            if mask_HW[top:bottom, left:right].sum() >= 0.5 * mask_HW.sum():
                break
            box = draw_crop(image.size, rng)
        canvas = _Canvas(
            image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box),
            [],
            {photo.group},
            photo.source in EVERY_PIXEL,
        )
        for name in photo.masks:
            mask = photo.open_mask(name).resize((HALF, HALF), Image.Resampling.BILINEAR, box)
            canvas.objects.append((name, np.asarray(mask) > 127))
        return canvas

    def _scene(self) -> _Canvas:
        rng = self._rng
        palette = rng.permutation(3) if rng.random() < 0.4 else np.arange(3)
        suffix = "" if (palette == np.arange(3)).all() else "-" + "".join(map(str, palette))
        chosen = [BASE[int(k)] for k in rng.permutation(len(BASE))[:4]]
        drawn = scene(self._seed, self._scenes, chosen, 256)
        self._scenes += 1
        image = Image.fromarray(np.ascontiguousarray(drawn.image_HW3[..., palette]))
        objects = []
        for name, mask_HW in drawn.instances:
            mask = Image.fromarray(mask_HW)
            half = mask.convert("L").resize((HALF, HALF), Image.Resampling.BILINEAR)
            objects.append((f"scene/{name}{suffix}", np.asarray(half) > 127))
            cutout = image.copy()
            cutout.putalpha(mask.convert("L"))
            self._drawn.append((f"scene/{name}{suffix}", cutout.crop(mask.getbbox())))
        self._drawn = self._drawn[-150:]
        full = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        return _Canvas(full, objects, {f"scene-{self._scenes}"}, complete=True)

    def _paste_one(self, canvas: _Canvas) -> None:
        rng = self._rng
        drawn = rng.random()
        if self._cutouts and rng.random() < CUTOUT_SHARE:
            name, cutout = self._cutouts.draw(rng)
        elif drawn < 0.15 and self._drawn:
            name, cutout = self._drawn[int(rng.integers(len(self._drawn)))]
        elif drawn < 0.3:
            name, cutout, origin = self._patch()
            canvas.origins.add(origin)
        else:
            name, cutout, origin = self._cut_out()
            canvas.origins.add(origin)
        for _ in range(2 if rng.random() < 0.2 else 1):
            changed, at_xy = _place(cutout, rng)
            canvas.paste(name, changed, at_xy)

    def _cut_out(self) -> tuple[str, Image.Image, str]:
        """Cut a random category's object out of a random photo of it."""
        rng = self._rng
        name = self._names[int(rng.choice(len(self._names), p=self._paste_weights))]
        own = self._by_category[name]
        photo = self._photos[own[int(rng.integers(len(own)))]]
        image, mask = photo.open(), photo.open_mask(name)
        image.putalpha(mask)
        return name, image.crop(mask.getbbox()), photo.group

    def _patch(self) -> tuple[str, Image.Image, str]:
        """Return a piece of a photo in another object's outline, the same for a few pictures."""
        rng = self._rng
        if len(self._patches) < 12:
            _, shape, _ = self._cut_out()
            photo = self._photos[int(rng.integers(len(self._photos)))]
            image = photo.open()
            box = draw_crop(image.size, rng, 0.05)
            piece = recolour(image.resize(shape.size, Image.Resampling.BILINEAR, box), rng, 1.5)
            piece.putalpha(shape.getchannel("A"))
            self._patch_count += 1
            self._patches.append((f"patch/{self._patch_count}", piece, 0, photo.group))
        place = int(rng.integers(len(self._patches)))
        name, piece, uses, origin = self._patches.pop(place)
        if uses + 1 < PATCH_USES:
            self._patches.append((name, piece, uses + 1, origin))
        return name, piece, origin


def _place(cutout: Image.Image, rng: Generator) -> tuple[Image.Image, tuple[int, int]]:
    """Scale, turn and recolour a cut-out, and draw where its corner goes."""
    alpha = np.asarray(cutout.getchannel("A"))
    filled = max(np.count_nonzero(alpha) / alpha.size, 0.05)
    side = SIDE * rng.uniform(0.1, 0.6) / np.sqrt(filled)
    aspect = np.sqrt(cutout.width / cutout.height) * np.exp(rng.uniform(-0.2, 0.2))
    width = int(np.clip(side * aspect, 12, 1.3 * SIDE))
    height = int(np.clip(side / aspect, 12, 1.3 * SIDE))
    rgb = recolour(cutout.convert("RGB"), rng, 0.8).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    rgb.putalpha(cutout.getchannel("A").resize((width, height), Image.Resampling.BILINEAR))
    if rng.random() < 0.5:
        rgb = rgb.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.4:
        rgb = rgb.rotate(rng.uniform(-25, 25), Image.Resampling.BILINEAR, expand=True)
    # Up to three tenths of it may lie outside.
    x = rng.uniform(-0.3 * rgb.width, max(SIDE - 0.7 * rgb.width, 0))
    y = rng.uniform(-0.3 * rgb.height, max(SIDE - 0.7 * rgb.height, 0))
    return rgb, (int(x), int(y))


def _finish(image_HW3: np.ndarray, canvas: _Canvas) -> Picture:
    names = sorted({name for name, _ in canvas.objects})
    masks = {
        name: np.logical_or.reduce([mask for other, mask in canvas.objects if other == name])
        for name in names
    }
    kept = [name for name in names if masks[name].mean() >= LEAST_SHARE]
    parts = [
        (kept.index(name), mask_HW)
        for name, mask_HW in canvas.objects
        if name in kept and mask_HW.mean() >= LEAST_SHARE
    ]
    return Picture(
        image_HW3,
        tuple(kept),
        np.stack([masks[name] for name in kept]) if kept else np.zeros((0, HALF, HALF), bool),
        tuple(parts[-6:]),
        frozenset(canvas.origins),
        canvas.complete,
    )
