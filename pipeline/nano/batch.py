"""Groups of scenes become one pretraining batch: images, prompts, labelled cells.

Letters: B images, P prompts, T points of a prompt, H W pixels, h w grid cells.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from model.networks.pixels import normalise
from model.training.pretrain_sam import CORNERS, NEGATIVE, POSITIVE, PromptBatch, Window, shrink
from pipeline.scenes.categories import BASE
from pipeline.scenes.groups import SceneGroup

Lesson = Literal["prompts", "contents", "cells", "pseudo_masks"]
"""What a step teaches: SAM by points and boxes, and by what objects look like; the backbone by
cells and by pseudo-masks."""

PROMPTS = 3
"""Box prompts and point prompts of each image in a step; the encoder runs once for all."""

MOST_OF_AN_INSTANCE = 3
MOST_OF_A_CATEGORY = 24
"""Up to three points ask for one object, four and more for all of its category.

The VRP encoder's many tokens ask for a category too; a number that means both would leave the
decoder to guess.
"""

PALETTES = tuple(itertools.permutations(range(3)))
"""Orders of the colour channels: a group's objects in other colours are other categories."""

CLASSES = 1 + len(PALETTES) * len(BASE)
"""Labels of cells: background, then each base category in each palette."""

LEAST_PX = 80
"""Pixels of an object inside the window for it to be asked for."""


CONTENT_CELLS = 16
"""Cells whose embeddings ask for a category, without their places."""


@dataclass(frozen=True)
class ContentBatch:
    """P categories, each shown by cells of one image and asked for in another, or the same.

    cells_PT numbers the window's cells row by row; truth_Phw is as in `PromptBatch`, empty where
    the image lacks the category.
    """

    shown_P: Tensor
    cells_PT: Tensor
    image_P: Tensor
    truth_Phw: Tensor

    def to(self, device: torch.device) -> "ContentBatch":
        """Return the batch on a device."""
        return ContentBatch(
            self.shown_P.to(device),
            self.cells_PT.to(device),
            self.image_P.to(device),
            self.truth_Phw.to(device),
        )


@dataclass(frozen=True)
class NanoBatch:
    """One step's tensors. Images are normalised, cut to the window; labels are 0 for background."""

    window: Window
    images_B3HW: Tensor
    boxes: PromptBatch | None
    points: PromptBatch | None
    labels_BHW: Tensor
    per_group: int
    """Neighbours in the batch that show the same few categories."""
    contents: ContentBatch | None

    def to(self, device: torch.device) -> "NanoBatch":
        """Return the batch on a device."""
        return NanoBatch(
            self.window,
            self.images_B3HW.to(device),
            None if self.boxes is None else self.boxes.to(device),
            None if self.points is None else self.points.to(device),
            self.labels_BHW.to(device),
            self.per_group,
            None if self.contents is None else self.contents.to(device),
        )


def draw_batch(
    groups: Sequence[SceneGroup],
    scenes_per_group: int,
    window: Window,
    rng: Generator,
    lessons: Sequence[Lesson] = ("prompts", "cells"),
) -> NanoBatch:
    """Draw a step from groups: recoloured, mirrored, cut to the window, and prompted."""
    images, owners, labels = [], [], []
    for group in groups:
        palette = int(rng.integers(len(PALETTES))) if rng.random() < 0.5 else 0
        first = 1 + palette * len(BASE)
        for number in rng.permutation(len(group.labels))[:scenes_per_group].tolist():
            flip = slice(None, None, int(rng.integers(2)) * 2 - 1)
            images.append(group.images_GHW3[number][:, flip, PALETTES[palette]])
            owners.append(np.ascontiguousarray(group.owners_GHW[number][:, flip]))
            labels.append(np.array((0, *(first + category for category in group.labels[number]))))
    if "prompts" not in lessons:
        # Where in the image an object lies is nothing to the backbone: look at one from near.
        views = [_near_an_object(owner, window.cells * 16, rng) for owner in owners]
    else:
        views = [(window.top * 16, window.left * 16)] * len(owners)
    side = window.cells * 16
    seen = [o[y : y + side, x : x + side] for o, (y, x) in zip(owners, views, strict=True)]
    shown = [i[y : y + side, x : x + side] for i, (y, x) in zip(images, views, strict=True)]
    images_B3HW = torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).float()
    return NanoBatch(
        window,
        normalise(images_B3HW).contiguous(memory_format=torch.channels_last),
        _prompts(seen, labels, window, rng, box=True) if "prompts" in lessons else None,
        _prompts(seen, labels, window, rng, box=False) if "prompts" in lessons else None,
        torch.from_numpy(np.stack([c[o] for c, o in zip(labels, seen, strict=True)])),
        len(images) // len(groups),
        _contents(seen, labels, len(images) // len(groups), rng) if "contents" in lessons else None,
    )


def _near_an_object(owner_HW: np.ndarray, side_px: int, rng: Generator) -> tuple[int, int]:
    """Top and left of a square about a random pixel of a random object."""
    height, width = owner_HW.shape
    last = int(owner_HW.max())
    y, x = height // 2, width // 2
    if last:
        pixels = np.flatnonzero(owner_HW == int(rng.integers(1, last + 1)))
        if len(pixels):
            y, x = divmod(int(pixels[rng.integers(len(pixels))]), width)
    top = min(max(y - side_px // 2, 0), height - side_px)
    return top, min(max(x - side_px // 2, 0), width - side_px)


def _prompts(
    owners: list[np.ndarray],
    labels: list[np.ndarray],
    window: Window,
    rng: Generator,
    box: bool,
) -> PromptBatch | None:
    whole = not box and rng.random() < 0.5
    fewest, most = (
        (MOST_OF_AN_INSTANCE + 1, MOST_OF_A_CATEGORY) if whole else (1, MOST_OF_AN_INSTANCE)
    )
    length = 2 if box else int(rng.integers(fewest, most + 1))
    offset = np.array([window.left, window.top]) * 16
    points, kinds, places, truths, widers = [], [], [], [], []
    for place, (owner_HW, categories) in enumerate(zip(owners, labels, strict=True)):
        areas = np.bincount(owner_HW.ravel(), minlength=len(categories))
        present = np.flatnonzero(areas[1:] >= LEAST_PX) + 1
        if not len(present):
            continue
        for _ in range(PROMPTS):
            instance = int(present[rng.integers(len(present))])
            whole_HW = (categories == categories[instance])[owner_HW]
            asked_HW = owner_HW == instance
            if box:
                points.append(_loose_box(asked_HW, rng))
                kinds.append(CORNERS)
            else:
                if whole:
                    asked_HW = whole_HW
                drawn, kind = _draw_points(asked_HW, length, rng)
                points.append(drawn)
                kinds.append(kind)
            places.append(place)
            truths.append(asked_HW)
            widers.append(whole_HW)
    if not points:
        return None
    return PromptBatch(
        torch.from_numpy(np.stack(points) + offset).float(),
        torch.tensor(kinds),
        torch.tensor(places),
        shrink(torch.from_numpy(np.stack(truths)), 4),
        shrink(torch.from_numpy(np.stack(widers)), 4),
        is_points=not box,
    )


def _contents(
    owners: list[np.ndarray], labels: list[np.ndarray], per_group: int, rng: Generator
) -> ContentBatch | None:
    """Show categories by one image's cells; ask in it, in others of its group, and in strangers."""
    shown, cells, asked, truths = [], [], [], []
    for place, (owner_HW, categories) in enumerate(zip(owners, labels, strict=True)):
        # The category under the middle of each cell; 0 is background.
        under_S = categories[owner_HW[8::16, 8::16]].ravel()
        for category in rng.permutation(np.unique(under_S[under_S > 0]))[:2].tolist():
            first = place - place % per_group
            stranger = rng.random() < 0.2
            image = (first + int(rng.integers(per_group)) + per_group * stranger) % len(owners)
            shown.append(place)
            cells.append(rng.choice(np.flatnonzero(under_S == category), CONTENT_CELLS))
            asked.append(image)
            truths.append((labels[image] == category)[owners[image]])
    if not shown:
        return None
    return ContentBatch(
        torch.tensor(shown),
        torch.from_numpy(np.stack(cells)),
        torch.tensor(asked),
        shrink(torch.from_numpy(np.stack(truths)), 4),
    )


def _draw_points(
    mask_HW: np.ndarray, length: int, rng: Generator
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Points on the object, (x, y); with three or more, sometimes the last lies off it."""
    inside = np.flatnonzero(mask_HW)
    drawn = inside[rng.integers(0, len(inside), length)]
    kind = [POSITIVE] * length
    if length > 1 and rng.random() < 0.3:
        outside = np.flatnonzero(~mask_HW)
        if len(outside):
            drawn[-1] = outside[int(rng.integers(len(outside)))]
            kind[-1] = NEGATIVE
    y, x = np.divmod(drawn, mask_HW.shape[1])
    return np.stack([x, y], axis=1), tuple(kind)


def _loose_box(mask_HW: np.ndarray, rng: Generator) -> np.ndarray:
    """The tight box with each edge moved by up to a tenth of the box: corners (x, y)."""
    rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
    edges = np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]], float)
    return edges + rng.uniform(-0.1, 0.1, (2, 2)) * (edges[1] - edges[0])
