"""A displayed image becomes a network's square input: stretched, or scaled and padded."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

# ImageNet's mean and deviation in units of 0 to 255: SAM's and every backbone's.
PIXEL_MEAN = (123.675, 116.28, 103.53)
PIXEL_STD = (58.395, 57.12, 57.375)


def upload(image_HW3: np.ndarray, device: torch.device) -> Tensor:
    """Bring a uint8 RGB image to a device, as bytes: [1, 3, H, W], channels last in memory."""
    image_HW3 = image_HW3 if image_HW3.flags.writeable else image_HW3.copy()
    return carry(torch.from_numpy(image_HW3), device).permute(2, 0, 1)[None]


def carry(tensor: Tensor, device: torch.device) -> Tensor:
    """Bring a tensor to a device; to a GPU from pinned memory: the caller goes on meanwhile."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def stretch(image_13HW: Tensor, side_px: int) -> Tensor:
    """Stretch an uploaded image to a square: float [1, 3, side, side], still 0 to 255.

    Antialiased bilinear, once from the original (`resize_once` of VrpReading). The
    CPU keeps uint8 between its two passes, as Pillow does; the GPU resizes in float32.
    """
    if image_13HW.device.type != "cpu":
        image_13HW = image_13HW.float()
    resized = F.interpolate(image_13HW, (side_px, side_px), mode="bilinear", antialias=True)
    return resized.float()


def squash(image: np.ndarray | Tensor, side_px: int, device: torch.device) -> Tensor:
    """Upload an image, unless it is, and stretch it: float [1, 3, side, side], still 0 to 255."""
    return stretch(image if isinstance(image, Tensor) else upload(image, device), side_px)


def letterbox(image_HW3: np.ndarray, side_px: int) -> Tensor:
    """Scale a uint8 RGB image to a longest side of side_px: float [1, 3, h, w], 0 to 255.

    SAM's own preprocessing (`ResizeLongestSide`, through Pillow), before normalisation and padding.
    """
    h, w = letterbox_hw(image_HW3.shape[:2], side_px)
    resized = Image.fromarray(image_HW3).resize((w, h), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(resized)).permute(2, 0, 1)[None].float()


def letterbox_hw(image_HW: tuple[int, ...], side_px: int) -> tuple[int, int]:
    """Return the size that SAM scales an image to, before padding; a pixel at least."""
    H, W = image_HW
    scale = side_px / max(H, W)
    return max(1, int(H * scale + 0.5)), max(1, int(W * scale + 0.5))


def normalise(pixels_B3HW: Tensor) -> Tensor:
    """Subtract the mean and divide by the deviation."""
    mean_311 = _by_channel(PIXEL_MEAN, pixels_B3HW.device)
    std_311 = _by_channel(PIXEL_STD, pixels_B3HW.device)
    return (pixels_B3HW - mean_311) / std_311


def _by_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    # Filled where it is needed: a tensor made of a list would be uploaded, and waited for.
    return torch.cat([torch.full((1, 1, 1), value, device=device) for value in values])
