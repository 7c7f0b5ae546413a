"""VRP-SAM over the `lite` networks as a segmenter: one pass over an image serves every category.

Letters beyond those of model/segmenter.py: P pairs of an image and a category, image by image.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional as F

from model.checkpoints.load import Loader
from model.masks.rasterise import rasterise_all
from model.methods.evidence import gather_evidence
from model.methods.features import FeatureEncoder
from model.methods.kinds import KindSignals, kinds_of_references
from model.methods.prompted_sam import PromptedSam, from_presence, in_batches, with_references
from model.methods.vrp import least_presence
from model.networks.backbone import Backbone, backbone_maps
from model.networks.feature_maps import FeatureMaps
from model.networks.lite.answer import LiteAnswer, answer_references
from model.networks.lite.completion import complete
from model.networks.lite.kinds import WEIGHTS as KIND_WEIGHTS
from model.networks.lite.kinds import Kinds
from model.networks.lite.sam import LiteVrp, StudiedLite
from model.networks.lite.trunk import GRID
from model.networks.pseudo_mask import unit_cells
from model.networks.routing import Router
from model.segmenter import (
    PLAIN,
    REFERENCES_PER_STEP,
    LoadedReference,
    Prediction,
    StudyOptions,
    by_category,
)
from schemas.job.method import Vrp
from schemas.job.reference import BestReferences, Box, best_of

CATEGORIES_PER_PASS = 16
"""An image and a category take some 2 MB. Of 100 categories a batch of 8 took 2.4 GB in one pass,
1.4 GB so, and a quarter less time (one thread, AMD EPYC, 2026-11-28)."""


@dataclass(frozen=True)
class LiteNetworks:
    """SAM `lite`, the trunk that it reads, and the VRP encoder; in eval mode, in float32.

    Below min_presence there is no mask; None: there always is one. best is how many of a category's
    references an image is asked with: see `best_of`. kinds are for signals of presence.
    """

    sam: Sam
    trunk: Backbone
    vrp: LiteVrp
    kinds: Kinds
    min_presence: float | None = None
    best: BestReferences = "all"


@dataclass(frozen=True)
class Group:
    """The categories asked for with one number of references, all of each one's or its best.

    Their references lie together.
    kinds are each category's, [R, K], where signals of presence are asked for; masks are the grid's
    cells of each reference's object, bool [h, w] by its id.
    """

    category_ids: tuple[int, ...]
    shots: int
    studied: StudiedLite
    router: Router
    kinds: dict[int, Tensor]
    masks: dict[str, np.ndarray]


def load_lite_vrp(method: Vrp, loader: Loader) -> LiteNetworks:
    """Load the networks of method `vrp` with SAM `lite`. Raises BadWeights, as `load_vrp` does."""
    sam, trunk = loader.sam(method.sam), loader.backbone(method.backbone)
    least = least_presence(method)
    vrp = loader.trained(partial(LiteVrp, queries=method.queries), method.weights)
    kinds = loader.trained(Kinds, str(KIND_WEIGHTS))
    return LiteNetworks(sam, trunk, vrp.eval(), kinds.eval(), least, method.best_references)


@dataclass(frozen=True)
class _Step:
    """What targets need of some references; the look of each one's object [R, C], and its kind.

    mask_Rhw are their objects, completed where an annotation shows a part.
    """

    studied: StudiedLite
    mask_Rhw: Tensor
    look_RC: Tensor
    kind_RK: Tensor | None


class LiteVrpSegmenter:
    """A `Segmenter` for method `vrp` with SAM `lite`."""

    @torch.inference_mode()
    def __init__(
        self,
        networks: LiteNetworks,
        references: Sequence[LoadedReference],
        options: StudyOptions = PLAIN,
    ) -> None:
        self._networks = networks
        self._sam = PromptedSam(networks.sam, "resize_once")
        self._judged = options.evidence
        of_category = by_category(references)
        best = {c: best_of(networks.best, len(own)) for c, own in of_category.items()}
        asked = {c: (best[c] or len(own), best[c] is None) for c, own in of_category.items()}
        self._groups = [
            self._group({c: of_category[c] for c in together}, best) for together in _passes(asked)
        ]
        kinds = {c: kind_RK for group in self._groups for c, kind_RK in group.kinds.items()}
        self._kinds = KindSignals(networks.kinds, kinds) if self._judged else None
        encoder = FeatureEncoder(self._sam, networks.trunk)
        whole = [_as_studied(one, self._groups) for one in references]
        self._evidence = gather_evidence(options, encoder, whole)

    @torch.inference_mode()
    def segment(
        self, images: Sequence[np.ndarray], embeddings: Sequence[Tensor | None] | None = None
    ) -> list[tuple[Prediction, ...]]:
        """Segment uint8 RGB images: one prediction per category each, by category id.

        Stored embeddings are of no use here. presence is the encoder's probability
        that the image shows the category; below the networks' min_presence there is no mask.
        """
        return in_batches(self._segment, self._sam.device, images, embeddings)

    def _segment(
        self, images: Sequence[np.ndarray], stored: Sequence[Tensor | None]
    ) -> list[tuple[Prediction, ...]]:
        del stored  # a store has the full grid's embedding, and no maps of the trunk
        maps = backbone_maps(self._networks.trunk, images)
        found: list[list[Prediction]] = [[] for _ in images]
        for group in self._groups:
            for image, predictions in enumerate(self._ask(maps, group)):
                found[image] += predictions
        ordered = [tuple(sorted(one, key=lambda p: p.category_id)) for one in found]
        judged = self._evidence(maps.high_BChw, images, ordered)
        return judged if self._kinds is None else self._kinds.add(maps.high_BChw, images, judged)

    def _ask(self, maps: FeatureMaps, group: Group) -> list[tuple[Prediction, ...]]:
        """Return the predictions of a group's categories, for every image."""
        images, categories = len(maps.mid_BChw), len(group.category_ids)
        routes = group.router.routes(maps.high_BChw)
        if routes is None:
            references = torch.arange(categories * group.shots, device=self._sam.device)
            studied = group.studied.chosen(references.repeat(images))
        else:
            studied = group.studied.chosen(routes.chosen_BKM.flatten())
        sam, vrp = self._networks.sam, self._networks.vrp
        answer = answer_references(sam, vrp, maps, studied, group.shots)
        score_P, present_P, *signals_NP = _numbers_of(answer)
        named = [
            dict(zip(answer.signals, one, strict=True)) for one in zip(*signals_NP, strict=True)
        ]
        made = zip(
            list(group.category_ids) * images,
            answer.logits_PHW.cpu().numpy(),
            score_P,
            present_P,
            named,
            strict=True,
        )
        every = [self._prediction(*pair) for pair in made]
        each = [every[i * categories : (i + 1) * categories] for i in range(images)]
        return with_references(each, group.router.behind(routes))

    def _prediction(
        self,
        category_id: int,
        logits_hw: np.ndarray,
        score: float,
        present: float,
        signals: Mapping[str, float],
    ) -> Prediction:
        found = Prediction(category_id, logits_hw, score, "squash", present, signals=signals)
        return from_presence(found, self._networks.min_presence)

    def _group(
        self, of_category: dict[int, list[LoadedReference]], best: Mapping[int, int | None]
    ) -> Group:
        references = [reference for own in of_category.values() for reference in own]
        steps = [
            self._study(references[start : start + REFERENCES_PER_STEP])
            for start in range(0, len(references), REFERENCES_PER_STEP)
        ]
        studied = StudiedLite.together([step.studied for step in steps])
        firsts = accumulate((len(own) for own in of_category.values()), initial=0)
        own = [range(first, last) for first, last in pairwise(firsts)]
        ids = [reference.id for reference in references]
        looks_RC = torch.cat([step.look_RC for step in steps])
        router = Router(ids, own, looks_RC, [best[category_id] for category_id in of_category])
        shots = len(router.kept[0])
        kinds = [step.kind_RK for step in steps if step.kind_RK is not None]
        by_place = torch.cat(kinds).split([len(one) for one in own]) if kinds else ()
        named = dict(zip(of_category, by_place, strict=bool(kinds)))
        masks = torch.cat([step.mask_Rhw for step in steps]).bool().cpu().numpy()
        of_id = dict(zip(ids, masks, strict=True))
        return Group(tuple(of_category), shots, studied, router, named, of_id)

    def _study(self, references: Sequence[LoadedReference]) -> "_Step":
        masks = torch.from_numpy(rasterise_all(references, (GRID, GRID)))
        mask_Rhw = masks.to(self._sam.device, torch.float32)
        maps = backbone_maps(self._networks.trunk, [one.image_HW3 for one in references])
        partly_R = [not one.shows_whole for one in references]
        if any(partly_R):
            is_box_R = torch.tensor(
                [isinstance(one.annotation, Box) for one in references], device=self._sam.device
            )
            sam, vrp = self._networks.sam, self._networks.vrp
            whole_Rhw = complete(sam, vrp, maps, mask_Rhw, is_box_R)
            partly_R11 = torch.tensor(partly_R, device=self._sam.device)[:, None, None]
            mask_Rhw = torch.where(partly_R11, whole_Rhw, mask_Rhw)
        studied = self._networks.vrp.study(maps, mask_Rhw)
        cells_RSC = unit_cells(maps.high_BChw)
        object_RSC = studied.around.weight_RS[..., None] * cells_RSC
        look_RC = F.normalize(object_RSC.sum(dim=1), dim=1)
        if not self._judged:
            return _Step(studied, mask_Rhw, look_RC, None)
        images = [one.image_HW3 for one in references]
        trunk, kinds = self._networks.trunk, self._networks.kinds
        kind_RK = kinds_of_references(kinds, trunk, images, mask_Rhw, maps.high_BChw)
        return _Step(studied, mask_Rhw, look_RC, kind_RK)


def _passes(asked: Mapping[int, tuple[int, bool]]) -> Iterator[list[int]]:
    """Yield the categories that images are asked for together: alike, and not too many at once."""
    for way in sorted(set(asked.values())):
        alike = [category_id for category_id, own in asked.items() if own == way]
        for first in range(0, len(alike), CATEGORIES_PER_PASS):
            yield alike[first : first + CATEGORIES_PER_PASS]


def _as_studied(reference: LoadedReference, groups: Sequence[Group]) -> LoadedReference:
    """Return a reference whose points, strokes or box are the object that they were completed to.

    What lies beside it shows what the object is not; beside points lies most of the object.
    """
    if reference.shows_whole:
        return reference
    cells_hw = next(group.masks[reference.id] for group in groups if reference.id in group.masks)
    rows_H, columns_W = (np.arange(side) * GRID // side for side in reference.image_HW3.shape[:2])
    whole_HW = cells_hw[np.ix_(rows_H, columns_W)]
    return replace(reference, annotation=whole_HW, of_strokes=False)


def _numbers_of(answer: LiteAnswer) -> list[list[float]]:
    """Return scores, presences and each signal of P pairs: one copy, so one wait for a GPU."""
    numbers = [answer.score_P, answer.present_P.sigmoid(), *answer.signals.values()]
    return torch.stack(numbers).cpu().tolist()
