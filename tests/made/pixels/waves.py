"""Weights and pictures from a formula: the same on every platform, none of them trivial."""

import numpy as np
import torch
from torch import Tensor, nn


def wave(shape: tuple[int, ...], step: float, scale: float) -> Tensor:
    """Return sin(step), sin(2 * step), … times scale, computed in float64."""
    numbers = np.arange(1, int(np.prod(shape)) + 1)
    return torch.from_numpy((np.sin(numbers * step) * scale).astype(np.float32)).reshape(shape)


def stir(module: nn.Module, seed: int) -> None:
    """Move every parameter and running statistic off its initial value, zeros included.

    SAM's pixel mean and deviation, which its files do not hold either, stay.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in module.state_dict().values():
            if value.is_floating_point():
                noise = torch.rand(value.shape, generator=generator)
                value.add_(noise if value.min() >= 0 else noise - 0.5, alpha=0.2)


def picture(seed: int, height: int, width: int) -> np.ndarray:
    """Return a uint8 RGB image of coloured blocks with noise."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3))
    pixels = blocks.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
    return np.clip(pixels + rng.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8)
