"""Masks and truths become IoUs with bootstrap intervals.

A category's IoU is the sum of its intersections by the sum of its unions, over photos at their own
size; mIoU is the mean over categories.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Tally:
    """Intersections and unions by category, in the order they were found."""

    overlaps: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def add(self, category: str, mask_HW: np.ndarray, truth_HW: np.ndarray) -> None:
        """Count one mask."""
        both = int((mask_HW & truth_HW).sum())
        either = int((mask_HW | truth_HW).sum())
        self.overlaps.setdefault(category, []).append((both, either))

    def miou(self, rng: np.random.Generator | None = None) -> float:
        """Return the mean of the categories' IoU; with rng, of targets drawn again."""
        ious = []
        for found in self.overlaps.values():
            pairs_N2 = np.array(found, float)
            if rng is not None:
                pairs_N2 = pairs_N2[rng.integers(len(pairs_N2), size=len(pairs_N2))]
            ious.append(pairs_N2[:, 0].sum() / max(pairs_N2[:, 1].sum(), 1))
        return float(np.mean(ious))

    def mean_iou(self, rng: np.random.Generator | None = None) -> float:
        """Return the mean over pictures of each one's IoU: how SAM's own prompts are judged."""
        ious = np.array(
            [both / max(either, 1) for found in self.overlaps.values() for both, either in found]
        )
        if rng is not None:
            ious = ious[rng.integers(len(ious), size=len(ious))]
        return float(ious.mean())

    def interval(self, figure: Callable[[np.random.Generator], float]) -> tuple[float, float]:
        """Return the 95 % interval of a figure over 1000 draws of the targets."""
        rng = np.random.default_rng(0)
        drawn = [figure(rng) for _ in range(1000)]
        return float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))
