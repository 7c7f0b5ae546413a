"""What is found by clicks is looked at again: its part of the image, enlarged to the whole input.

The trunk's finest cells are of 8 pixels of 384, and an object that fills a third of the image has
few of them. So the mask of the whole image says where to look; there the clicks are asked again,
with the mask so far, and the mean of both is the mask. What it gave on categories never trained on
stands in docs/lite.md.

Letters as in model/networks/lite/clicks.py; a window is left, top, right, bottom, in pixels of the
input.
"""

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional as F

from model.networks.lite.clicks import ClickedImage, Clicks, as_clicked
from model.networks.lite.edges import along_edges
from model.networks.lite.sam import LiteVrp, neck_of, trunk_of
from model.networks.lite.trunk import INPUT_PX
from model.networks.pixels import normalise, squash

ROOM = 1.6
"""Sides of the window, in those of the box around the mask and the clicks on the object."""

LEAST_PX = INPUT_PX // 4
"""Of a window's sides, before it is cut to the image: nothing is enlarged more than four times."""

KEPT_PX = 4 * INPUT_PX
"""Side of the square that is kept of an image, to look closer at."""

SIDE = 2 * INPUT_PX
"""Of the masks."""

LOOKS_KEPT = 3
"""A click off the object is answered with what was there before: up to two looks more."""

BESIDE = -8.0
"""Logit of what lies beside the window."""

Window = tuple[int, int, int, int]


class CloserLook:
    """An image that is clicked on, kept to be looked at closer: made once, asked often."""

    def __init__(self, sam: Sam, vrp: LiteVrp, image_HW3: np.ndarray) -> None:
        self._sam, self._vrp = sam, vrp
        self._looks: dict[tuple[tuple[float, ...], ...], Tensor] = {}
        device: torch.device = sam.device
        self._kept_13HW = squash(image_HW3, KEPT_PX, device).byte()
        self._whole, _ = self._seen(squash(image_HW3, INPUT_PX, device))

    def ask(self, clicks: Clicks) -> Tensor:
        """Return the logits [1, SIDE, SIDE] of what is meant, with the picture's edges."""
        *earlier, last = clicks.in_turn()
        logits_1HW = self._looked_at(last)
        while last.takes_away and earlier:
            last = earlier.pop()
            logits_1HW = torch.minimum(logits_1HW, self._looked_at(last))
        return logits_1HW

    def _looked_at(self, clicks: Clicks) -> Tensor:
        """Look, unless the clicks are among the last that were looked at."""
        asked = clicks.numbers()
        if asked not in self._looks:
            if len(self._looks) == LOOKS_KEPT:
                del self._looks[next(iter(self._looks))]
            self._looks[asked] = self._look(clicks)
        return self._looks[asked]

    def _look(self, clicks: Clicks) -> Tensor:
        logits_1HW = self._whole.ask(clicks)
        window = _window(logits_1HW, clicks)
        left, top, right, bottom = (edge * KEPT_PX // INPUT_PX for edge in window)
        near, pixels_13HW = self._seen(
            squash(self._kept_13HW[..., top:bottom, left:right], INPUT_PX, logits_1HW.device)
        )
        before_1HW = _cut(logits_1HW, window)
        moved = _moved(clicks, window)
        closer_1HW = (near.refined(moved, before_1HW) + before_1HW) / 2
        whole_1HW = logits_1HW.new_full((1, SIDE, SIDE), BESIDE)
        left, top, right, bottom = (edge * SIDE // INPUT_PX for edge in window)
        whole_1HW[..., top:bottom, left:right] = F.interpolate(
            along_edges(pixels_13HW, closer_1HW)[None],
            (bottom - top, right - left),
            mode="bilinear",
            align_corners=False,
        )[0]
        # Whatever the picture's edges say.
        return as_clicked(whole_1HW, clicks, around=0)

    def _seen(self, pixels_13HW: Tensor) -> tuple[ClickedImage, Tensor]:
        maps = trunk_of(self._sam)(normalise(pixels_13HW))
        assert maps.pixels_B3HW is not None, "the trunk gives pixels with its maps"
        image = ClickedImage(self._sam, self._vrp, maps, neck_of(self._sam)(maps))
        return image, maps.pixels_B3HW


def _window(logits_1HW: Tensor, clicks: Clicks) -> Window:
    """Return where to look: around the mask, the box, and the points on the object."""
    y_M, x_M = (logits_1HW[0] > 0).nonzero().T * (INPUT_PX / logits_1HW.shape[-1])
    corners = [torch.stack([x_M, y_M], dim=1)]
    if clicks.box_14 is not None:
        corners.append(clicks.box_14.view(2, 2))
    if clicks.points_1N2 is not None and clicks.labels_1N is not None:
        corners.append(clicks.points_1N2[0][clicks.labels_1N[0] == 1])
    places_M2 = torch.cat(corners)
    if not len(places_M2):
        return (0, 0, INPUT_PX, INPUT_PX)
    low_2, high_2 = places_M2.aminmax(dim=0)
    half_2 = ((high_2 - low_2) * ROOM / 2).clamp(min=LEAST_PX / 2)
    middle_2 = (low_2 + high_2) / 2
    left, top = (middle_2 - half_2).floor().clamp(min=0).int().tolist()
    right, bottom = (middle_2 + half_2).ceil().clamp(max=INPUT_PX).int().tolist()
    return left, top, right, bottom


def _moved(clicks: Clicks, window: Window) -> Clicks:
    """Return clicks in pixels of an input that shows the window; those beside it are left out."""
    left, top, right, bottom = window

    def moved(places_M2: Tensor) -> Tensor:
        corner_2, size_2 = places_M2.new_tensor([[left, top], [right - left, bottom - top]])
        return (places_M2 - corner_2) * (INPUT_PX / size_2)

    box_14 = clicks.box_14
    if box_14 is not None:
        box_14 = moved(box_14.view(2, 2)).clamp(0, INPUT_PX).view(1, 4)
    if clicks.points_1N2 is None or clicks.labels_1N is None:
        return Clicks(box_14=box_14)
    points_N2 = moved(clicks.points_1N2[0])
    within_N = ((points_N2 >= 0) & (points_N2 < INPUT_PX)).all(dim=1)
    if not within_N.any():
        return Clicks(box_14=box_14)
    return Clicks(points_N2[within_N][None], clicks.labels_1N[:, within_N], box_14)


def _cut(logits_1HW: Tensor, window: Window) -> Tensor:
    """Return the logits in a window, enlarged to as many."""
    side = logits_1HW.shape[-1]
    left, top, right, bottom = window
    steps = (torch.arange(side, device=logits_1HW.device) + 0.5) / side
    y_H, x_W = top + steps * (bottom - top), left + steps * (right - left)
    grid_HW2 = torch.stack(torch.meshgrid(x_W, y_H, indexing="xy"), dim=-1) / INPUT_PX * 2 - 1
    return F.grid_sample(
        logits_1HW[None], grid_HW2[None], align_corners=False, padding_mode="border"
    )[0]
