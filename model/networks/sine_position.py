"""A grid's size becomes where each of its cells lies, as DETR tells an attention."""

import math

import torch
from torch import Tensor


def sine_position(h: int, w: int, width: int, device: torch.device) -> Tensor:
    """Return DETR's sine position embedding of a grid, rows then columns: [1, h * w, width].

    Carion et al. 2020, appendix A.4: coordinates from 1/h to 1 times 2 pi, temperature 10000.
    """
    half = width // 2
    exponent = torch.arange(0, half, 2, device=device, dtype=torch.float32) / half
    wavelength = 10000**exponent
    encodings = []
    for cells in (h, w):
        angle = torch.arange(1, cells + 1, device=device) / (cells + 1e-6) * 2 * math.pi
        phase = angle[:, None] / wavelength
        # sine and cosine take turns along the channels
        encodings.append(torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(1))
    rows_hwD = encodings[0][:, None].expand(h, w, half)
    columns_hwD = encodings[1][None].expand(h, w, half)
    return torch.cat([rows_hwD, columns_hwD], dim=-1).flatten(0, 1)[None]
