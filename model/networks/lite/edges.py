"""A coarse mask, and the picture that it is of, become a mask whose edges are the picture's.

The trunk's finest map has cells of 8 pixels, and masks are decoded on cells of 16: of the IoU by a
box (dogs and horses; held-out photos) 8 to 12 points were lost within 4 pixels of an edge. The
guided filter (He, Sun and Tang, TPAMI 2013, with colour: equations 14 to 16) explains a mask's
probability around each pixel by the pixel's colour, linearly; it learns nothing. As in the fast
guided filter (He and Sun, 2015) that is found out on one grid, and used on a finer one.

Letters beyond those of model/segmenter.py: P pairs of an image and a category, image by image; C
the three colours.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from model.networks.lite.trunk import GRID

SIDE = 2 * GRID
"""Of the grid on which colours explain masks, in cells of 4 pixels of the input."""

RADIUS = 6
"""Of the windows, in those cells."""

EPSILON = 2e-4
"""How little colour may vary in a window, in squares of the normalised unit, and still explain."""

LEAST = 1e-3
"""A probability nearer to 0 or 1 counts as this near: a linear model also leaves that range."""


def along_edges(pixels_B3HW: Tensor, logits_PHW: Tensor) -> Tensor:
    """Return logits of P = B * K square masks of B normalised images, at the images' size."""
    guide = Guide(F.adaptive_avg_pool2d(pixels_B3HW, SIDE))
    share_P1HW = F.adaptive_avg_pool2d(logits_PHW.sigmoid()[:, None], SIDE)
    slope_PCHW, shift_P1HW = guide.explain(share_P1HW)
    size_HW = pixels_B3HW.shape[-2:]
    slope_PCHW, shift_P1HW = (
        F.interpolate(one, size_HW, mode="bilinear", align_corners=False)
        for one in (slope_PCHW, shift_P1HW)
    )
    pixels_PCHW = _for_each(pixels_B3HW, len(logits_PHW))
    share_PHW = (slope_PCHW * pixels_PCHW).sum(1) + shift_P1HW[:, 0]
    return share_PHW.logit(eps=LEAST)


class Guide:
    """What is known of B images once for all their masks: colours' means and variances around."""

    def __init__(self, pixels_BCHW: Tensor) -> None:
        self._pixels_BCHW = pixels_BCHW
        self._mean_BCHW = _around(pixels_BCHW)
        pairs_BCCHW = pixels_BCHW[:, :, None] * pixels_BCHW[:, None]
        means_BCCHW = self._mean_BCHW[:, :, None] * self._mean_BCHW[:, None]
        variance_BCCHW = _around(pairs_BCCHW.flatten(1, 2)).unflatten(1, (3, 3)) - means_BCCHW
        variance_BHWCC = variance_BCCHW.permute(0, 3, 4, 1, 2)
        least = EPSILON * torch.eye(3, device=pixels_BCHW.device)
        # All have one, so no GPU is waited for to say so.
        self._inverse_BHWCC = torch.linalg.inv_ex(variance_BHWCC + least).inverse

    def explain(self, share_P1HW: Tensor) -> tuple[Tensor, Tensor]:
        """Return slopes [P, C, H, W] and shifts [P, 1, H, W]: share = slope * colour + shift."""
        pairs = len(share_P1HW)
        pixels_PCHW = _for_each(self._pixels_BCHW, pairs)
        mean_PCHW = _for_each(self._mean_BCHW, pairs)
        inverse_PHWCC = _for_each(self._inverse_BHWCC, pairs)
        share_mean_P1HW = _around(share_P1HW)
        together_PCHW = _around(pixels_PCHW * share_P1HW) - mean_PCHW * share_mean_P1HW
        slope_PCHW = torch.einsum("phwcd,pdhw->pchw", inverse_PHWCC, together_PCHW)
        shift_P1HW = share_mean_P1HW - (slope_PCHW * mean_PCHW).sum(1, keepdim=True)
        return _around(slope_PCHW), _around(shift_P1HW)


def _for_each(of_images: Tensor, pairs: int) -> Tensor:
    return of_images.repeat_interleave(pairs // len(of_images), dim=0)


def _around(values: Tensor) -> Tensor:
    """Return means over windows of 2 * RADIUS + 1 cells, over what of them lies in the image.

    As two products with a band matrix: ten times faster than pooling.
    """
    places = torch.arange(values.shape[-1], device=values.device)
    band = ((places[:, None] - places).abs() <= RADIUS).to(values.dtype)
    band = band / band.sum(1, keepdim=True)
    return band @ values @ band.T
