"""A bank of pictures and a generator become what a training step asks: episodes and prompts.

An episode takes a category, a target that shows it (or surely does not), and references that do,
each annotated as a person might. Letters: B targets, P pairs, R references, T points.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from model.draws import Draws
from model.masks.extent import extent_of
from model.masks.rasterise import rasterise
from model.masks.simulate import simulate_annotation
from model.networks.lite.trunk import GRID
from pipeline.lite.bank import Bank, Entry
from pipeline.lite.pictures import HALF, STUFF
from schemas.job.episode import AnnotationFormat

FORMATS: tuple[AnnotationFormat, ...] = ("mask", "box", "scribbles", "points")
FORMAT_SHARES = (0.4, 0.24, 0.18, 0.18)
SHOTS, SHOT_SHARES = (1, 2, 3, 5), (0.7, 0.12, 0.1, 0.08)
NEGATIVES = 0.45
"""Of second pairs: the target lacks the category."""

COMPLETED = 0.08
SPARSE: tuple[AnnotationFormat, ...] = ("box", "scribbles", "points")

COMMON = STUFF | {"person", "face", "hair", "skin", "car", "chair"}
"""In photos that do not name them these may be there all the same."""

PAIRS = 3
"""Of a target: a category it shows, perhaps another, and one that it lacks."""

KIND_SHARES = {"photo": 0.57, "scene": 0.15, "patch": 0.08, "cutout": 0.2}
"""Of what is asked for; of those kinds that there are, in proportion."""


@dataclass(frozen=True)
class DrawnPrompts:
    """One prompt of each target: points [B, T, 2], all on the object, or boxes [B, 4], in pixels.

    truth is what is asked for, wider the category whose part it is: bool [B, H, W].
    """

    points_BT2: np.ndarray | None
    boxes_B4: np.ndarray | None
    truth_BHW: np.ndarray
    wider_BHW: np.ndarray


@dataclass(frozen=True)
class Drawn:
    """A step: places in the bank of B targets and R references, and what is asked, as bool masks.

    P pairs, target by target, with `shots` references each. truth is empty where the target lacks
    the category.
    """

    targets: list[int]
    references: list[int]
    mask_Rhw: np.ndarray
    truth_PHW: np.ndarray
    shots: int
    boxes: DrawnPrompts
    points: DrawnPrompts

    def moved(self, by: int) -> "Drawn":
        """Return it with every place that much further on."""
        return replace(
            self,
            targets=[slot + by for slot in self.targets],
            references=[slot + by for slot in self.references],
        )


class Episodes:
    """Draws batches from a bank."""

    def __init__(self, bank: Bank, targets: int, garments: frozenset[str]) -> None:
        self._bank = bank
        self._targets = targets
        self._garments = garments
        self._weights: dict[str, tuple[list[str], np.ndarray]] = {}
        self._weighed_at = -1

    def draw(self, rng: Generator) -> "Drawn":
        """Draw a step: every target has the same number of pairs and references."""
        self._weigh()
        shots = int(rng.choice(SHOTS, p=SHOT_SHARES))
        pairs = PAIRS if shots < 3 else PAIRS - 1
        targets: list[int] = []
        references: list[int] = []
        masks_Rhw: list[np.ndarray] = []
        truths_PHW: list[np.ndarray] = []
        for _ in range(self._targets):
            category, target = self._draw_target(rng)
            targets.append(target)
            entry = self._bank.entry(target)
            asked = [category, self._second(category, entry, rng)]
            asked += [self._absent(entry, rng) or category for _ in range(pairs - 2)]
            for name in asked:
                here = name in entry.categories
                truths_PHW.append(entry.mask(name) if here else np.zeros((HALF, HALF), bool))
                for slot in self._draw_references(name, target, shots, rng):
                    references.append(slot)
                    form = SPARSE[int(rng.integers(len(SPARSE)))] if slot == target else None
                    masks_Rhw.append(annotate(self._bank.entry(slot).mask(name), rng, form))
        entries = [self._bank.entry(slot) for slot in targets]
        return Drawn(
            targets,
            references,
            np.stack(masks_Rhw),
            np.stack(truths_PHW),
            shots,
            draw_prompts(entries, rng, boxes=True),
            draw_prompts(entries, rng, boxes=False),
        )

    def _weigh(self) -> None:
        """Weigh categories by the root of their number, anew when many pictures have changed."""
        if self._bank.added - self._weighed_at < 20 and self._weights:
            return
        self._weighed_at = self._bank.added
        for kind in KIND_SHARES:
            found = [
                (name, len(slots))
                for name, slots in self._bank.where.items()
                if _kind(name) == kind and len(slots) > 1
            ]
            if not found:
                self._weights.pop(kind, None)
                continue
            weights = np.array(
                [np.sqrt(n) * (0.5 if name in self._garments else 1.0) for name, n in found]
            )
            self._weights[kind] = [name for name, _ in found], weights / weights.sum()

    def _draw_target(self, rng: Generator) -> tuple[str, int]:
        kinds = [kind for kind in KIND_SHARES if kind in self._weights]
        shares = np.array([KIND_SHARES[kind] for kind in kinds])
        while True:
            names, weights = self._weights[
                kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]
            ]
            name = names[int(rng.choice(len(names), p=weights))]
            slots = sorted(self._bank.where.get(name, ()))
            if len(slots) > 1:
                return name, slots[int(rng.integers(len(slots)))]

    def _second(self, first: str, target: Entry, rng: Generator) -> str:
        """Return another category of the target, or one that it surely lacks."""
        others = [
            name
            for name in target.categories
            if name != first and len(self._bank.where.get(name, ())) > 1
        ]
        if others and rng.random() > NEGATIVES:
            return others[int(rng.integers(len(others)))]
        return self._absent(target, rng) or first

    def _absent(self, target: Entry, rng: Generator) -> str | None:
        """Return a category that the target surely lacks; None where twenty draws found none."""
        for _ in range(20):
            name, _ = self._draw_target(rng)
            if name not in target.categories and self._lacks(target, name):
                return name
        return None

    def _lacks(self, target: Entry, name: str) -> bool:
        if _kind(name) != "photo" or target.complete:
            return name not in self._garments and name not in ("person", "face", "hair", "skin")
        return name not in COMMON and name not in self._garments

    def _draw_references(self, name: str, target: int, shots: int, rng: Generator) -> list[int]:
        """Draw references other than the target, mostly made from other photos than it.

        Now and then it is the target itself, with less than its mask: to complete an annotation.
        """
        if shots == 1 and name in self._bank.entry(target).categories and rng.random() < COMPLETED:
            return [target]
        slots = sorted(self._bank.where[name] - {target})
        origins = self._bank.entry(target).origins
        apart = [s for s in slots if origins.isdisjoint(self._bank.entry(s).origins)]
        chosen = apart if apart and rng.random() < 0.9 else slots
        return [chosen[int(k)] for k in rng.integers(len(chosen), size=shots)]


def _kind(name: str) -> str:
    kind, slash, _ = name.partition("/")
    return kind if slash else "photo"


def annotate(
    mask_HW: np.ndarray, rng: Generator, form: AnnotationFormat | None = None
) -> np.ndarray:
    """Simulate an annotation of an object on the trunk's fine grid: bool [h, w], not empty."""
    if form is None:
        form = FORMATS[int(rng.choice(len(FORMATS), p=FORMAT_SHARES))]
    draws = Draws(int(rng.integers(2**62)))
    drawn = simulate_annotation(mask_HW, form, draws)
    return rasterise(drawn, mask_HW.shape[:2], (GRID, GRID))  # pyright: ignore[reportArgumentType]


def draw_prompts(entries: Sequence[Entry], rng: Generator, boxes: bool) -> DrawnPrompts:
    """Draw one prompt of each picture: boxes, or one to three points each."""
    truths, widers = [], []
    for entry in entries:
        number = int(rng.integers(len(entry.parts)))
        category, part_HW = entry.part(number)
        wider_HW = entry.mask(category)
        truths.append(wider_HW if rng.random() < 0.4 else part_HW)
        widers.append(wider_HW)
    truth_BHW, wider_BHW = np.stack(truths), np.stack(widers)
    if boxes:
        boxes_B4 = np.stack([loose_box(mask, rng) for mask in truths])
        return DrawnPrompts(None, boxes_B4, truth_BHW, wider_BHW)
    count = int(rng.choice([1, 2, 3], p=[0.7, 0.15, 0.15]))
    points = [[draw_point(mask, rng) for _ in range(count)] for mask in truths]
    return DrawnPrompts(np.array(points), None, truth_BHW, wider_BHW)


def draw_point(mask_HW: np.ndarray, rng: Generator) -> tuple[float, float]:
    """Return (x, y) in input pixels of a point on the object: half of the time near its middle."""
    pixels = np.flatnonzero(mask_HW)
    tries = 12 if rng.random() < 0.5 else 1
    ys, xs = np.divmod(pixels[rng.integers(len(pixels), size=tries)], mask_HW.shape[1])
    # Of a dozen the one with most of the object around it.
    around = [
        mask_HW[max(y - 8, 0) : y + 9, max(x - 8, 0) : x + 9].sum()
        for y, x in zip(ys, xs, strict=True)
    ]
    best = int(np.argmax(around))
    return float(xs[best] * 2 + 1), float(ys[best] * 2 + 1)


def loose_box(mask_HW: np.ndarray, rng: Generator) -> np.ndarray:
    """Return the tight box in input pixels, each edge moved by up to a fifteenth of the box."""
    edges = np.array(extent_of(mask_HW), float).reshape(2, 2) * 2
    moved = edges + rng.uniform(-1, 1, (2, 2)) / 15 * (edges[1] - edges[0])
    return np.clip(moved, 0, HALF * 2).ravel()
