"""Images become SAM's embeddings, to be stored and used in place of its encoder."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model.build import load_sam
from model.networks.backbone import BACKBONES
from model.networks.device import Precision
from model.networks.pixels import normalise, squash
from schemas.method import Vrp


class SamEmbedder:
    """Holds SAM's image encoder; weights are a local path or `random[:SEED]`."""

    def __init__(self, method: Vrp, device: str, precision: Precision) -> None:
        self._encoder = load_sam(method, device, precision).image_encoder
        self._via_px = BACKBONES[method.backbone.type].input_px
        self._via = method.reading.sam_input == "via_512"
        self._device = torch.device(device)

    @torch.inference_mode()
    def embed(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Embed uint8 RGB images [H, W, 3]: float16 [C, h, w] each, the same in any batch."""
        # As for segmenting: a CPU gains nothing from a batch, and sums in another order in one.
        step = 1 if self._device.type == "cpu" else max(1, len(images))
        batches = [images[start : start + step] for start in range(0, len(images), step)]
        return [embedding for batch in batches for embedding in self._embed(batch)]

    def _embed(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        dtype = next(self._encoder.parameters()).dtype
        embedding_BDhw = self._encoder(self._input(images).to(dtype))
        return list(embedding_BDhw.to(torch.float16).cpu().numpy())

    def _input(self, images: Sequence[np.ndarray]) -> Tensor:
        side_px = self._encoder.img_size
        read_px = self._via_px if self._via else side_px
        squashed = torch.cat([squash(image, read_px, self._device) for image in images])
        pixels_B3HW = normalise(squashed)
        if not self._via:
            return pixels_B3HW
        return F.interpolate(pixels_B3HW, (side_px, side_px), mode="bilinear", align_corners=True)
