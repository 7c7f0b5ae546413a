"""Points and a box on an image become a mask: SAM's, helped by how alike the image's own cells are.

SAM `lite` knows of an object what its decoder learned of clicks; the VRP encoder knows how alike
cells are. So what SAM finds is studied as a reference on the very image, and the image asked for it
(self-support, Fan et al., ECCV 2022), twice; a first point's surroundings are studied too. What
each gave on categories never trained on stands in docs/lite.md.

Letters: 1 is the one object that is clicked; N points; h w the fine grid, H W = 4h 4w the logits.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional as F

from model.networks.feature_maps import FeatureMaps
from model.networks.lite.answer import (
    SHARPNESS,
    answer_references,
    mean_mask,
    on_half_grid,
    sure_cells,
)
from model.networks.lite.sam import LiteVrp, ask_sam, decode_lite, neck_of
from model.networks.lite.trunk import GRID, INPUT_PX

ONE_BY_ONE = 2
"""So many points are answered after those before them, each with the mask so far as a prompt."""

AROUND = 1
"""Cells on every side of a clicked one that are taken for clicked, where a mask is made."""

CLEAR = 2.0
"""Logit that a mask has at least where it was clicked on, and at most its negative where off."""


@dataclass(frozen=True)
class Clicks:
    """In pixels of the input: points [1, N, 2], their labels [1, N], 1 on the object; a box [1, 4].

    There is a point or a box.
    """

    points_1N2: Tensor | None = None
    labels_1N: Tensor | None = None
    box_14: Tensor | None = None

    def in_turn(self, one_by_one: int = ONE_BY_ONE) -> Iterator["Clicks"]:
        """Yield what was asked at first, then that with a point more, and so on to the whole.

        So many points at most come one by one; what goes before them is asked at once.
        """
        if self.points_1N2 is None or self.labels_1N is None:
            yield self
            return
        points = self.points_1N2.shape[1]
        for some in range(max(points - one_by_one, int(self.box_14 is None)), points + 1):
            kept = (self.points_1N2[:, :some], self.labels_1N[:, :some]) if some else (None, None)
            yield replace(self, points_1N2=kept[0], labels_1N=kept[1])

    def numbers(self) -> tuple[tuple[float, ...], ...]:
        """Return all that is asked: equal of equal clicks."""
        parts = (self.points_1N2, self.labels_1N, self.box_14)
        return tuple(() if part is None else tuple(part.flatten().tolist()) for part in parts)

    @property
    def takes_away(self) -> bool:
        """True where the last point is off the object: it adds nothing, whatever SAM says."""
        return self.labels_1N is not None and not self.labels_1N[0, -1]

    def cells(self, label: int, around: int = AROUND) -> Tensor:
        """Return the cells of the points of a label and so many around each: 0/1 [1, h, w]."""
        cells_1hw = torch.zeros(1, GRID, GRID)
        if self.points_1N2 is not None and self.labels_1N is not None:
            cell_N2 = (self.points_1N2[0] * (GRID / INPUT_PX)).long().clamp(0, GRID - 1).cpu()
            x_M, y_M = cell_N2[self.labels_1N[0].cpu() == label].T
            cells_1hw[0, y_M, x_M] = 1
        return F.max_pool2d(cells_1hw, 2 * around + 1, stride=1, padding=around)


class ClickedImage:
    """An image's maps, and SAM's embeddings of them on both grids: made once, asked often."""

    def __init__(self, sam: Sam, vrp: LiteVrp, maps: FeatureMaps, embedding_1Dhw: Tensor) -> None:
        self._sam, self._vrp, self._maps = sam, vrp, maps
        self._full_1Dhw, self._half_1Dhw = embedding_1Dhw, neck_of(sam)(on_half_grid(maps))

    def ask(self, clicks: Clicks) -> Tensor:
        """Return the logits [1, H, W] of what is meant."""
        first, *later = clicks.in_turn()
        logits_1HW = self.refined(first, self._begun(first))
        for more in later:
            before_1HW, logits_1HW = logits_1HW, self.refined(more, logits_1HW)
            if more.takes_away:
                logits_1HW = torch.minimum(logits_1HW, before_1HW)
        return logits_1HW

    def _begun(self, clicks: Clicks) -> Tensor:
        logits_1HW = self._by_sam(clicks, None)
        on_1hw = clicks.cells(1).to(logits_1HW.device)
        if clicks.box_14 is None and on_1hw.any():
            studied = self._vrp.study(self._maps, on_1hw)
            answer = answer_references(self._sam, self._vrp, self._maps, studied, 1)
            logits_1HW = (logits_1HW + _at(answer.logits_PHW, logits_1HW.shape[-1])) / 2
        return self._alike(logits_1HW, clicks)

    def refined(self, clicks: Clicks, before_1HW: Tensor) -> Tensor:
        """Return the logits [1, H, W] of what is meant, which was before_1HW so far."""
        logits_1HW = self._by_sam(clicks, before_1HW)
        once_1HW = self._alike(logits_1HW, clicks)
        twice_1HW = self._alike((logits_1HW + once_1HW) / 2, clicks)
        return as_clicked((logits_1HW + once_1HW + twice_1HW) / 3, clicks)

    def _by_sam(self, clicks: Clicks, before_1HW: Tensor | None) -> Tensor:
        """Return SAM's mask; of a lone point, which may mean a part or the whole, the three's mean.

        Each of them counts by its predicted IoU.
        """
        points = None
        if clicks.points_1N2 is not None and clicks.labels_1N is not None:
            points = (clicks.points_1N2, clicks.labels_1N)
        before_11HW = None if before_1HW is None else before_1HW[:, None]
        logits_1MHW, score_1M = ask_sam(
            self._sam, self._full_1Dhw, points, clicks.box_14, before_11HW
        )
        if before_1HW is not None and points is not None and clicks.box_14 is not None:
            # The decoder never learned of both: alone, a point more made masks by a box worse.
            return (2 * logits_1MHW[:, 0] + before_1HW) / 3
        lone = points is not None and points[0].shape[1] == 1 and clicks.box_14 is None
        if not lone or before_1HW is not None:
            return logits_1MHW[:, 0]
        return mean_mask(logits_1MHW[:, 1:], torch.softmax(SHARPNESS * score_1M[:, 1:], dim=1))

    def _alike(self, logits_1HW: Tensor, clicks: Clicks) -> Tensor:
        """Return what is like the cells that a mask surely covers, as the clicks correct them."""
        cells_1hw = sure_cells(as_clicked(logits_1HW, clicks))
        studied = self._vrp.study(self._maps, cells_1hw)
        prompts = self._vrp.prompt(self._maps, studied, 1)
        found_1HW, _ = decode_lite(self._sam, self._half_1Dhw, prompts)
        return _at(found_1HW, logits_1HW.shape[-1]) + self._vrp.offset


def as_clicked(logits_1HW: Tensor, clicks: Clicks, around: int = AROUND) -> Tensor:
    """Return logits that say what the clicks do: in their cells, and nothing outside the box."""
    side = logits_1HW.shape[-1]
    for label, sign in ((1, 1.0), (0, -1.0)):
        cells_1HW = F.interpolate(clicks.cells(label, around)[None], (side, side))[0]
        clear_1HW = (sign * logits_1HW).clamp(min=CLEAR) * sign
        logits_1HW = torch.where(cells_1HW.to(logits_1HW.device) > 0, clear_1HW, logits_1HW)
    if clicks.box_14 is None:
        return logits_1HW
    edges_4 = clicks.box_14[0] * (side / INPUT_PX)
    places = torch.arange(side, device=logits_1HW.device)
    left, top, right, bottom = edges_4  # a place's middle is half beyond its number
    across_W = (places + 1 > left) & (places < right)
    down_H = (places + 1 > top) & (places < bottom)
    inside_HW = down_H[:, None] & across_W
    return torch.where(inside_HW, logits_1HW, logits_1HW.clamp(max=-4 * CLEAR))


def _at(logits_1HW: Tensor, side: int) -> Tensor:
    return F.interpolate(logits_1HW[None], (side, side), mode="bilinear", align_corners=False)[0]
