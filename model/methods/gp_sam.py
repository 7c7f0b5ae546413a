"""GP-SAM as a segmenter: points and a box of a pseudo-mask prompt SAM (VRP-SAM paper, Table 3).

The paper says how the pseudo-mask is made (appendix A), that its points are 5 and random, and that
the box is its bounding box. Decided here: it is cut at `threshold`, points lie at the centres of
cells, the box around the outer edges of cells, SAM answers with its single mask, and images are
stretched as for VRP-SAM.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.draws import Draws
from model.masks.extent import extent_of
from model.methods.evidence import gather_evidence
from model.methods.features import FeatureEncoder
from model.methods.prompted_sam import PromptedNetworks, PromptedSam, Prompts, in_batches, no_mask
from model.networks.pseudo_mask import foreground_cells, pseudo_mask, unit_cells
from model.segmenter import PLAIN, LoadedReference, Prediction, StudyOptions
from schemas.job.method import GpSam


@dataclass(frozen=True)
class Pair:
    """One category in one image: the pseudo-mask's cells, and the greatest cosine of any cell."""

    image: int
    category_id: int
    cells_hw: np.ndarray
    presence: float


class GpSamSegmenter:
    """A `Segmenter` for method `gp_sam`."""

    @torch.no_grad()
    def __init__(
        self,
        networks: PromptedNetworks,
        references: Sequence[LoadedReference],
        method: GpSam,
        options: StudyOptions = PLAIN,
    ) -> None:
        self._method = method
        self._sam = PromptedSam(networks.sam, method.sam_input)
        self._encoder = FeatureEncoder(self._sam, networks.backbone)
        self._evidence = gather_evidence(options, self._encoder, references, networks.kinds)
        cells: dict[int, list[Tensor]] = {}
        for reference in sorted(references, key=lambda reference: reference.category_id):
            features = self._encoder.encode([reference.image_HW3]).compared_BChw[0].float()
            object_hw = self._encoder.object_cells(reference)
            cells.setdefault(reference.category_id, []).append(
                foreground_cells(features, object_hw)
            )
        self._foreground_FC = {category: torch.cat(found) for category, found in cells.items()}

    @torch.no_grad()
    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        """Segment uint8 RGB images: one prediction per category each, by category id.

        embeddings are SAM's of the images that a store has. presence is the greatest cosine of a
        cell to the object; below the method's `min_presence` there is no mask.
        """
        return in_batches(self._segment, self._sam.device, images, embeddings)

    def _segment(
        self, images: Sequence[np.ndarray], stored: Sequence[Tensor | None]
    ) -> list[tuple[Prediction, ...]]:
        features = self._encoder.encode(images, stored)
        pairs = self._pairs(features.compared_BChw.float())
        present = [pair for pair in pairs if self._is_present(pair)]
        masks: dict[tuple[int, int], tuple[np.ndarray, float]] = {}
        if present:
            logits_PMhw, score_PM = self._sam.masks(
                features.embedding_BDhw, [pair.image for pair in present], self._prompts(present)
            )
            made = zip(logits_PMhw[:, 0].cpu().numpy(), score_PM[:, 0].tolist(), strict=True)
            masks = {
                (pair.image, pair.category_id): mask
                for pair, mask in zip(present, made, strict=True)
            }
        found = [
            tuple(self._prediction(pair, masks) for pair in pairs if pair.image == image)
            for image in range(len(images))
        ]
        return self._evidence(features.compared_BChw, images, found)

    def _is_present(self, pair: Pair) -> bool:
        least = self._method.min_presence
        # Of an image whose cells are all alike, no cell stands out of the pseudo-mask.
        return bool(pair.cells_hw.any()) and (least is None or pair.presence >= least)

    def _pairs(self, features_BChw: Tensor) -> list[Pair]:
        cells_BSC, (h, w) = unit_cells(features_BChw), features_BChw.shape[-2:]
        pairs = []
        for category_id, foreground_FC in self._foreground_FC.items():
            cosine_BS = pseudo_mask(cells_BSC, foreground_FC, "raw")
            low_B1, high_B1 = cosine_BS.aminmax(dim=1, keepdim=True)
            value_BS = (cosine_BS - low_B1) / (high_B1 - low_B1 + 1e-7)
            lit_BS = (value_BS > self._method.threshold).cpu().numpy()
            pairs += [
                Pair(image, category_id, lit_S.reshape(h, w), presence)
                for image, (lit_S, presence) in enumerate(
                    zip(lit_BS, high_B1[:, 0].tolist(), strict=True)
                )
            ]
        return pairs

    def _prompts(self, pairs: Sequence[Pair]) -> Prompts:
        """Return the prompts of the method's kind, in SAM's input: a box, points, or both."""
        boxes_P4 = points_PN2 = labels_PN = None
        if "box" in self._method.prompt:
            boxes_P4 = self._on_device([self._box(pair.cells_hw) for pair in pairs])
        if "point" in self._method.prompt:
            points_PN2 = self._on_device([self._points(pair) for pair in pairs])
            labels_PN = torch.ones(points_PN2.shape[:2], device=self._sam.device)
        return Prompts(points_PN2, labels_PN, boxes_P4)

    def _box(self, cells_hw: np.ndarray) -> np.ndarray:
        return np.array(extent_of(cells_hw)) * (self._sam.side_px / cells_hw.shape[0])

    def _points(self, pair: Pair) -> np.ndarray:
        """Draw random cells; of fewer cells than points, some come more than once.

        The key is what the draw is from, so that neither batch nor order matters.
        """
        rows, columns = np.nonzero(pair.cells_hw)
        key = np.packbits(pair.cells_hw).tobytes().hex()
        draws = Draws(self._method.seed, pair.category_id, key)
        count = self._method.points
        chosen = draws.distinct(min(count, len(rows)), len(rows))
        chosen += [chosen[draws.below(len(chosen))] for _ in range(count - len(chosen))]
        centres_xy = np.stack([columns[chosen], rows[chosen]], axis=1) + 0.5
        return centres_xy * (self._sam.side_px / pair.cells_hw.shape[0])

    def _on_device(self, arrays: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.stack(arrays).astype(np.float32)).to(self._sam.device)

    def _prediction(
        self, pair: Pair, masks: dict[tuple[int, int], tuple[np.ndarray, float]]
    ) -> Prediction:
        made = masks.get((pair.image, pair.category_id))
        if made is None:
            return no_mask(pair.category_id, pair.presence, 4 * self._sam.grid, self._sam.frame)
        return Prediction(pair.category_id, made[0], made[1], self._sam.frame, pair.presence)
