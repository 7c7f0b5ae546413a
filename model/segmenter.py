"""The method seam: references studied once, then images in and predictions out.

Shape letters used in model/: B images, K categories, N prompt tokens, C channels, H W image pixels,
h w grid cells or low-resolution logits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np

from schemas.job.reference import Box, Points, Scribbles

if TYPE_CHECKING:  # readers of labels know this seam, and wait for no torch
    from torch import Tensor

Frame = Literal["squash", "letterbox"]
"""How an image met its model's square input: stretched to it, or scaled and zero-padded."""

Drawn = np.ndarray | Box | Points | Scribbles
"""An annotation in memory: a bool mask [H, W] of the image's size, or geometry in its pixels."""


@dataclass(frozen=True)
class LoadedReference:
    """One annotated example in memory.

    image_HW3 is uint8 RGB in displayed orientation. An array is a mask of the object, unless it is
    of strokes on it, as simulated ones are.
    """

    id: str
    category_id: int
    image_HW3: np.ndarray
    annotation: Drawn
    of_strokes: bool = False

    @property
    def shows_whole(self) -> bool:
        """Whether the annotation is all of the object, and no more."""
        return isinstance(self.annotation, np.ndarray) and not self.of_strokes


def by_category(references: Sequence[LoadedReference]) -> dict[int, list[LoadedReference]]:
    """Return each category's references, as they come, in the order of the category ids."""
    found: dict[int, list[LoadedReference]] = {}
    for reference in sorted(references, key=lambda reference: reference.category_id):
        found.setdefault(reference.category_id, []).append(reference)
    return found


def by_photo(references: Sequence[LoadedReference]) -> list[list[LoadedReference]]:
    """Return references by the photo that they are in, as they come, however often it was read."""
    found: dict[tuple[object, ...], list[LoadedReference]] = {}
    for reference in references:
        pixels = np.ascontiguousarray(reference.image_HW3)
        photo = pixels.shape, hashlib.sha256(pixels.data).digest()
        found.setdefault(photo, []).append(reference)
    return list(found.values())


@dataclass(frozen=True)
class Prediction:
    """One category's mask in one image, before thresholds and at SAM's low resolution.

    logits_hw is float32 over the model's whole square input (padding included for a letterbox);
    `model.masks.upsample.mask_at` turns it into pixels. score is SAM's predicted IoU. presence
    says how sure a method that searches for the object is that it is there, on that method's own
    scale. objects are the single ones of a method that was asked for several, in the order found;
    logits_hw are then the greatest of theirs. align_corners says how squashed logits are enlarged,
    as `torch.nn.functional.interpolate` means it. signals are numbers by
    name that tell an object from one that is only asked for: a method's own, and those of
    `model.methods.evidence` where they were asked for. behind are the references that an image
    was asked with, by id, and how much each counts, of a method that chose among them.
    """

    category_id: int
    logits_hw: np.ndarray
    score: float
    frame: Frame
    presence: float | None = None
    objects: tuple[Prediction, ...] = ()
    align_corners: bool = False
    signals: Mapping[str, float] | None = None
    behind: tuple[tuple[str, float], ...] = ()


# Bounds the memory of the reference half; at 80 categories of 5 references it runs 50 times.
REFERENCES_PER_STEP = 8

MANY_REFERENCES = 4
"""As evidence more references of a category count as so many: heads are fitted on no more."""


@dataclass(frozen=True)
class StudyOptions:
    """What a job says of studying references besides the method.

    cache is a folder of what methods learn from references, shared by the processes of a node.
    most_objects: how many of a kind a method that searches looks for in an image.
    evidence: predictions come with signals of whether the object is there at all.
    """

    cache: Path | None = None
    most_objects: int = 1
    evidence: bool = False


PLAIN = StudyOptions()
"""Nothing is kept, and one object of a kind is looked for."""


class Segmenter(Protocol):
    """A method with its weights loaded and its references studied."""

    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        """Segment images, uint8 RGB [H, W, 3] of any sizes: one prediction per category each.

        Predictions come in the order of the category ids, and do not depend on the batch.
        embeddings holds SAM's of each image, [C, h, w], where a store has them.
        """
        ...


@runtime_checkable
class Beginner(Protocol):
    """A segmenter that a GPU works for, which need not wait for it before the next batch."""

    begins: bool
    """Whether it does: on a CPU nothing is gained."""

    def begin(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> Callable[[], list[tuple[Prediction, ...]]]:
        """Ask the GPU for what `segment` returns; what this returns waits for it."""
        ...
