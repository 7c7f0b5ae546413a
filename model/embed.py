"""Images become SAM's embeddings, to be stored and used in place of its encoder."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from model.checkpoints.load import Loader
from model.methods.prompted_sam import PromptedSam, in_batches
from model.networks.backbone import BACKBONES
from model.networks.device import Precision
from schemas.job.compute import Attention
from schemas.job.method import Vrp


class SamEmbedder:
    """Holds SAM; weights are a local path or `random[:SEED]`."""

    def __init__(
        self, method: Vrp, device: str, precision: Precision, attention: Attention = "auto"
    ) -> None:
        sam = Loader(device, precision, attention=attention).sam(method.sam)
        via_px = BACKBONES[method.backbone.type].input_px
        self._sam = PromptedSam(sam, method.sam_input, via_px)

    @torch.inference_mode()
    def embed(self, images: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Embed uint8 RGB images [H, W, 3]: float16 [C, h, w] each, the same in any batch."""
        return in_batches(self._embed, self._sam.device, images)

    def _embed(
        self, images: Sequence[np.ndarray], stored: Sequence[Tensor | None]
    ) -> list[np.ndarray]:
        return list(self._sam.embed(images, stored).to(torch.float16).cpu().numpy())
