"""Matcher as a segmenter: matched cells prompt SAM for proposals, and the best are united.

Liu et al. 2024 (arXiv 2305.13310). Decided here, where the paper leaves it open or needs a solver:
nearest neighbours instead of an assignment (model/methods/matching.py), a bound of the earth
mover's distance, proposals from sets of cluster centres only, and union as the maximum of logits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model.draws import Draws
from model.methods.evidence import gather_evidence
from model.methods.features import FeatureEncoder, ImageFeatures
from model.methods.matching import (
    Matches,
    cluster_centres,
    earth_movers_bound,
    match_both_ways,
    point_sets,
)
from model.methods.prompted_sam import PromptedNetworks, PromptedSam, Prompts, in_batches, no_mask
from model.methods.search import united
from model.networks.pseudo_mask import unit_cells
from model.segmenter import PLAIN, LoadedReference, Prediction, StudyOptions
from schemas.job.method import Matcher


@dataclass(frozen=True)
class Studied:
    """All cells of a category's references, of length 1, and which of them are the object."""

    category_id: int
    cells_RC: Tensor
    object_R: Tensor


class MatcherSegmenter:
    """A `Segmenter` for method `matcher`."""

    @torch.no_grad()
    def __init__(
        self,
        networks: PromptedNetworks,
        references: Sequence[LoadedReference],
        method: Matcher,
        options: StudyOptions = PLAIN,
    ) -> None:
        self._method = method
        self._most_objects = options.most_objects
        self._sam = PromptedSam(networks.sam, method.sam_input)
        self._encoder = FeatureEncoder(self._sam, networks.backbone)
        self._evidence = gather_evidence(options, self._encoder, references, networks.kinds)
        self._studied = self._study(references)

    @torch.no_grad()
    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        """Segment uint8 RGB images: one prediction per category each, by category id.

        embeddings are SAM's of the images that a store has. presence is the share of the object's
        cells whose match leads back to it; where none does, or fewer than the method's
        `min_presence`, there is no mask.
        """
        return in_batches(self._segment, self._sam.device, images, embeddings)

    def _segment(
        self, images: Sequence[np.ndarray], stored: Sequence[Tensor | None]
    ) -> list[tuple[Prediction, ...]]:
        features = self._encoder.encode(images, stored)
        cells_BSC = unit_cells(features.compared_BChw.float())
        found = [
            tuple(self._predict(features, image, cells_SC, one) for one in self._studied)
            for image, cells_SC in enumerate(cells_BSC)
        ]
        return self._evidence(features.compared_BChw, images, found)

    def _study(self, references: Sequence[LoadedReference]) -> list[Studied]:
        cells: dict[int, list[tuple[Tensor, Tensor]]] = {}
        for reference in sorted(references, key=lambda reference: reference.category_id):
            features = self._encoder.encode([reference.image_HW3]).compared_BChw.float()
            object_hw = self._encoder.object_cells(reference)
            found = cells.setdefault(reference.category_id, [])
            found.append((unit_cells(features)[0], object_hw.flatten()))
        return [
            Studied(
                category_id,
                torch.cat([cells_SC for cells_SC, _ in found]),
                torch.cat([object_S for _, object_S in found]),
            )
            for category_id, found in cells.items()
        ]

    def _predict(
        self, features: ImageFeatures, image: int, cells_SC: Tensor, studied: Studied
    ) -> Prediction:
        """Find the object; asked for several, match again with the cells of those found left out.

        PerSAM's iterative masking with Matcher's measure of presence; not of Matcher's paper.
        """
        similarity_RS = studied.cells_RC @ cells_SC.T
        first = matches = match_both_ways(similarity_RS, studied.object_R)
        taken_S = torch.zeros(len(cells_SC), dtype=torch.bool, device=cells_SC.device)
        objects: list[Prediction] = []
        while len(objects) < self._most_objects:
            one = self._find(features, image, similarity_RS, matches, studied)
            if one is None:
                break
            lit_S = self._lit(torch.from_numpy(one.logits_hw)[None], features)[0].to(taken_S.device)
            # The same object again, by cells next to those that were left out.
            if 2 * int((lit_S & ~taken_S).sum()) <= int(lit_S.sum()):
                break
            objects.append(one)
            taken_S |= lit_S
            if len(objects) < self._most_objects:
                similarity_RS = similarity_RS.masked_fill(taken_S, -1.0)
                matches = match_both_ways(similarity_RS, studied.object_R)
        if not objects:
            return self._absent(studied, first)
        return objects[0] if self._most_objects == 1 else united(tuple(objects))

    def _find(
        self,
        features: ImageFeatures,
        image: int,
        similarity_RS: Tensor,
        matches: Matches,
        studied: Studied,
    ) -> Prediction | None:
        """Return the union of the best proposals from the matches, None where there are too few."""
        if not len(matches.cells_T) or matches.returned < self._method.min_presence:
            return None
        logits_Qhw, score_Q = self._propose(
            features.embedding_BDhw[image : image + 1],
            matches,
            studied.category_id,
            features.compared_BChw.shape[-1],
        )
        lit_QS = self._lit(logits_Qhw, features)
        chosen = self._choose(similarity_RS[studied.object_R], lit_QS, matches)
        if not len(chosen):
            return None
        return Prediction(
            studied.category_id,
            logits_Qhw[chosen].amax(dim=0).cpu().numpy(),
            float(score_Q[chosen].mean()),
            self._sam.frame,
            matches.returned,
        )

    def _lit(self, logits_Qhw: Tensor, features: ImageFeatures) -> Tensor:
        """Return the cells of each mask, bool [Q, S]: those it touches, as the authors pool."""
        side = features.compared_BChw.shape[-1]
        return F.adaptive_max_pool2d(logits_Qhw, (side, side)).flatten(1) > 0

    def _absent(self, studied: Studied, matches: Matches) -> Prediction:
        side = 4 * self._sam.grid
        return no_mask(studied.category_id, matches.returned, side, self._sam.frame)

    def _propose(
        self, embedding_1Dhw: Tensor, matches: Matches, category_id: int, side: int
    ) -> tuple[Tensor, Tensor]:
        """Ask SAM for a mask per set of cluster centres: logits [Q, h, w], predicted IoUs [Q]."""
        # What is drawn from is the key, so that neither batch nor order matters.
        draws = Draws(self._method.seed, category_id, matches.cells_T.astype("<i8").tobytes().hex())
        places_T2 = np.stack([matches.cells_T % side, matches.cells_T // side], axis=1) + 0.5
        centres_K2 = cluster_centres(places_T2, self._method.centers, draws)
        centres_K2 = (centres_K2 * (self._sam.side_px / side)).astype(np.float32)
        sets = point_sets(len(centres_K2), self._method.points, self._method.proposals, draws)
        made = []
        for size in sorted({len(chosen) for chosen in sets}):
            points_QN2 = np.stack([centres_K2[list(one)] for one in sets if len(one) == size])
            points = torch.from_numpy(points_QN2).to(self._sam.device)
            prompts = Prompts(points, torch.ones(points.shape[:2], device=self._sam.device))
            logits_QMhw, score_QM = self._sam.masks(embedding_1Dhw, [0] * len(points), prompts)
            made.append((logits_QMhw[:, 0], score_QM[:, 0]))
        logits, scores = zip(*made, strict=True)
        return torch.cat(logits), torch.cat(scores)

    def _choose(self, similarity_FS: Tensor, lit_QS: Tensor, matches: Matches) -> Tensor:
        """Return the proposals to unite, by the paper's score of each; none where all are empty."""
        cells_T = torch.from_numpy(matches.cells_T).to(lit_QS.device)
        inside_Q = lit_QS[:, cells_T].sum(dim=1)
        purity_Q = inside_Q / lit_QS.sum(dim=1).clamp(min=1)
        coverage_Q = inside_Q / len(cells_T)
        distance_Q = earth_movers_bound((1 - similarity_FS) / 2, lit_QS)
        method = self._method
        score_Q = method.alpha * (1 - distance_Q)
        score_Q = score_Q + method.beta * purity_Q * coverage_Q**method.exponent
        score_Q = score_Q.masked_fill(~lit_QS.any(dim=1), -torch.inf)
        order_Q = score_Q.argsort(descending=True, stable=True)[: method.merge]
        best = score_Q[order_Q[0]]
        if best == -torch.inf:
            return order_Q[:0]
        return order_Q[score_Q[order_Q] >= method.merge_share * best]
