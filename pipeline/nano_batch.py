"""Groups of scenes become one pretraining batch: images, prompts, labelled cells, episodes.

Letters: B images, P prompts or pairs, T points of a prompt, H W pixels, h w grid cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor

from model.annotation import rasterise
from model.backbone import BACKBONES
from model.draws import Draws
from model.pixels import normalise
from model.pretrain_sam import CORNERS, NEGATIVE, POSITIVE, PromptBatch, Window, shrink
from model.sam import SAM_SIZES
from model.simulate import simulate_annotation
from pipeline.scenes.groups import SceneGroup
from schemas.episode import AnnotationFormat

Lesson = Literal["prompts", "cells", "pairs"]
"""What a step teaches: SAM by points and boxes, the backbone by cells, prompting by references."""

PROMPTS = 3
"""Box prompts and point prompts of each image in a step; the encoder runs once for all."""

ASKED = 2
"""Times that each image is asked for a category that another one shows."""

LEAST_PX = 80
"""Pixels of an object inside the window for it to be asked for."""

ABSENT_SHARE = 0.2
"""Of the times that an image is asked for what it does not show."""

MOST_REFERENCES = 3

FORMATS: tuple[AnnotationFormat, ...] = ("mask", "mask", "box", "scribbles", "points")


@dataclass(frozen=True)
class Pairs:
    """P episodes inside a batch: the images that show a category, the one asked, the answer.

    annotation_PRhw is on the backbone's grid, 0/1.
    """

    reference_PR: Tensor
    target_P: Tensor
    annotation_PRhw: Tensor
    truth_Phw: Tensor


@dataclass(frozen=True)
class NanoBatch:
    """One step's tensors. Images are normalised, cut to the window; labels are 0 for background."""

    window: Window
    images_B3HW: Tensor
    boxes: PromptBatch | None
    points: PromptBatch | None
    labels_BHW: Tensor
    pairs: Pairs | None


def draw_batch(
    groups: Sequence[SceneGroup],
    scenes_per_group: int,
    window: Window,
    rng: Generator,
    lessons: Sequence[Lesson] = ("prompts", "cells", "pairs"),
) -> NanoBatch:
    """Draw a step from groups: mirrored, recoloured, cut to the window, and prompted."""
    images, owners, labels = [], [], []
    for group in groups:
        for number in rng.permutation(len(group.labels))[:scenes_per_group].tolist():
            flip = slice(None, None, int(rng.integers(2)) * 2 - 1)
            images.append(_recoloured(group.images_GHW3[number][:, flip], rng))
            owners.append(np.ascontiguousarray(group.owners_GHW[number][:, flip]))
            labels.append(np.array((0, *(category + 1 for category in group.labels[number]))))
    if tuple(lessons) == ("cells",):
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
        _pairs(seen, labels, len(groups), rng) if "pairs" in lessons else None,
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


def _recoloured(image_HW3: np.ndarray, rng: Generator) -> np.ndarray:
    """Swap colour channels half of the time: one scene, six palettes."""
    return image_HW3[..., rng.permutation(3)] if rng.random() < 0.5 else image_HW3


def _prompts(
    owners: list[np.ndarray],
    labels: list[np.ndarray],
    window: Window,
    rng: Generator,
    box: bool,
) -> PromptBatch | None:
    length = 2 if box else int(rng.integers(1, 6))
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
                if rng.random() < 0.5:
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


def _pairs(
    owners: list[np.ndarray], labels: list[np.ndarray], group_count: int, rng: Generator
) -> Pairs | None:
    """Ask every image for a category that another image of its group shows."""
    size = len(owners) // group_count
    shown: list[dict[int, np.ndarray]] = []
    for owner_HW, categories in zip(owners, labels, strict=True):
        areas = np.bincount(owner_HW.ravel(), minlength=len(categories))
        names = {
            int(c) for c, area in zip(categories[1:], areas[1:], strict=True) if area >= LEAST_PX
        }
        shown.append({name: (categories == name)[owner_HW] for name in names})
    shots = int(rng.integers(2, MOST_REFERENCES + 1)) if rng.random() < 0.3 else 1
    references, targets, annotations, truths = [], [], [], []
    for target, present in [*enumerate(shown)] * ASKED:
        start = target - target % size
        others = [k for k in range(start, start + size) if k != target]
        elsewhere = sorted({name for k in others for name in shown[k]})
        own = [name for name in elsewhere if name in present]
        absent = [name for name in elsewhere if name not in present]
        pool = absent if absent and (not own or rng.random() < ABSENT_SHARE) else own
        if not pool:
            continue
        name = pool[int(rng.integers(len(pool)))]
        showing = [k for k in others if name in shown[k]]
        chosen = [showing[k] for k in rng.integers(0, len(showing), shots).tolist()]
        references.append(chosen)
        targets.append(target)
        annotations.append(
            np.stack([_annotation(owners[k], labels[k] == name, rng) for k in chosen])
        )
        truths.append((labels[target] == name)[owners[target]])
    if not targets:
        return None
    return Pairs(
        torch.tensor(references),
        torch.tensor(targets),
        torch.from_numpy(np.stack(annotations)).float(),
        shrink(torch.from_numpy(np.stack(truths)), 4),
    )


def _annotation(owner_HW: np.ndarray, named: np.ndarray, rng: Generator) -> np.ndarray:
    """Annotate one instance, or all, in one of the four formats, on the backbone's grid."""
    mask_HW = named[owner_HW]
    if rng.random() < 0.5:
        areas = np.bincount(owner_HW.ravel(), minlength=len(named))
        own = np.flatnonzero(named & (areas > 0))
        mask_HW = owner_HW == own[int(rng.integers(len(own)))]
    form = FORMATS[int(rng.integers(len(FORMATS)))]
    drawn = simulate_annotation(mask_HW, form, Draws(int(rng.integers(2**62))))
    side = owner_HW.shape[0] * BACKBONES["nano"].grid // SAM_SIZES["nano"].image_px
    return rasterise(drawn, mask_HW.shape, (side, side))
