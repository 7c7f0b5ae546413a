"""Images become SAM's embedding, and the features by which a reference's object is found in them.

These are the embedding itself, or the maps of another encoder, as the method's spec says.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model.masks.rasterise import rasterise
from model.methods.prompted_sam import PromptedSam, padded_input
from model.networks.backbone import Backbone, backbone_maps
from model.networks.pixels import upload
from model.segmenter import LoadedReference


@dataclass(frozen=True)
class ImageFeatures:
    """Of B images: SAM's embedding, which masks are decoded from, and the features compared.

    Those are the embedding again, or the high-level one of a backbone's maps.
    """

    embedding_BDhw: Tensor
    compared_BChw: Tensor


class FeatureEncoder:
    """Encodes images for SAM and for comparison, and draws annotations on the compared grid."""

    def __init__(self, sam: PromptedSam, backbone: Backbone | None) -> None:
        self._sam, self._backbone = sam, backbone

    def encode(
        self, images: Sequence[np.ndarray], stored: Sequence[Tensor | None] | None = None
    ) -> ImageFeatures:
        """Encode uint8 RGB images; stored holds SAM's embeddings where a store has them."""
        if self._backbone is None:
            embedding_BDhw = self._sam.embed(images, stored)
            return ImageFeatures(embedding_BDhw, embedding_BDhw)
        # Once to the device, though SAM and the backbone stretch it to sizes of their own.
        uploaded = [upload(image, self._sam.device) for image in images]
        maps = backbone_maps(self._backbone, uploaded)
        # An image goes once through what SAM and the method share.
        shared = maps if self._sam.reads(self._backbone) else None
        read = uploaded if self._sam.frame == "squash" else images
        embedding_BDhw = self._sam.embed(read, stored, shared)
        return ImageFeatures(embedding_BDhw, maps.high_BChw)

    def compare(self, image_HW3: np.ndarray) -> Tensor:
        """Return the features compared of one image, [1, C, h, w], and compute no more."""
        if self._backbone is None:
            return self._sam.embed([image_HW3])
        return backbone_maps(self._backbone, [image_HW3]).high_BChw

    def compares(self, backbone: Backbone) -> bool:
        """Return whether the features compared are that backbone's."""
        return self._backbone is backbone

    @property
    def letterboxed(self) -> bool:
        """True where the compared grid covers SAM's padded input, not just the image."""
        return self._backbone is None and self._sam.frame == "letterbox"

    def object_cells(self, reference: LoadedReference) -> Tensor:
        """Return the reference's cells of the compared grid, bool [h, w]; never none."""
        if self._backbone is None:
            return self.object_cells_of_sam(reference)
        return self._stretched(reference, self._backbone.size.grid)

    def object_cells_of_sam(self, reference: LoadedReference) -> Tensor:
        """Return the reference's cells of SAM's embedding, bool [h, w]; never none."""
        grid = self._sam.grid
        if self._sam.frame == "squash":
            return self._stretched(reference, grid)
        cells_hw = letterboxed_cells(reference, self._sam.side_px, grid)
        return torch.from_numpy(cells_hw).to(self._sam.device)

    def _stretched(self, reference: LoadedReference, grid: int) -> Tensor:
        cells_hw = rasterise(reference.annotation, reference.image_HW3.shape[:2], (grid, grid))
        return torch.from_numpy(cells_hw).to(self._sam.device)


def letterboxed_cells(reference: LoadedReference, side_px: int, grid: int) -> np.ndarray:
    """Draw an annotation on the grid over SAM's padded input: bool [grid, grid], never empty.

    A mask is scaled as an image is and sampled bilinearly at the cells (PerSAM's public code);
    what that loses, and all other annotations, are drawn as `rasterise` draws them.
    """
    height, width = reference.image_HW3.shape[:2]
    annotation = reference.annotation
    longest = max(height, width)
    if not isinstance(annotation, np.ndarray):
        return rasterise(annotation, (longest, longest), (grid, grid))
    white_HW3 = np.repeat(np.where(annotation, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    # The public code normalises the mask as if it were an image, and its first channel decides.
    mask_11HW = padded_input(white_HW3, side_px)[:, :1]
    sampled = F.interpolate(mask_11HW, (grid, grid), mode="bilinear", align_corners=False)
    cells_hw = (sampled[0, 0] > 0).numpy()
    if cells_hw.any():
        return cells_hw
    padded_HW = np.zeros((longest, longest), dtype=bool)
    padded_HW[:height, :width] = annotation
    return rasterise(padded_HW, (longest, longest), (grid, grid))
