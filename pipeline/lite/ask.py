"""Networks and encoded pictures become masks, and masks tallies: what validation measures.

Letters beyond those of model/segmenter.py: none; 1 is the one target that is asked at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from model.masks.extent import extent_of
from model.networks.feature_maps import FeatureMaps
from model.networks.lite.answer import LiteAnswer, answer_references
from model.networks.lite.clicks import Clicks
from model.networks.lite.closer import CloserLook
from model.networks.lite.completion import complete
from model.networks.lite.edges import along_edges
from model.networks.lite.sam import neck_of
from model.networks.lite.trunk import INPUT_PX
from model.training.lite import LiteNetworks, PromptBatch, answer, with_click
from pipeline.lite.draw import annotate
from pipeline.lite.shown import Shown
from pipeline.lite.tally import Tally
from schemas.job.episode import AnnotationFormat

FALSE_SHARE = 0.01
"""A mask of more than this share of an image that lacks the object is a false mask."""

KEPT = 0.9
"""Share of images with the object that keep their mask at the recommended threshold."""


@torch.inference_mode()
def ask(
    networks: LiteNetworks,
    references: Sequence[Shown],
    target: Shown,
    form: AnnotationFormat,
    rng: np.random.Generator,
) -> tuple[Tensor, LiteAnswer]:
    """Ask a target for the references' category: logits [H, W] at its size, and the answer."""
    maps = _together([shown.maps for shown in references])
    masks = np.stack([annotate(shown.mask_HW, rng, form) for shown in references])
    mask_Rhw = torch.from_numpy(masks).float()
    if form != "mask":
        is_box_R = torch.full((len(references),), form == "box")
        mask_Rhw = complete(networks.sam, networks.vrp, maps, mask_Rhw, is_box_R)
    studied = networks.vrp.study(maps, mask_Rhw)
    answer = answer_references(networks.sam, networks.vrp, target.maps, studied, len(references))
    return _enlarged(answer.logits_PHW, target), answer


def _together(maps: Sequence[FeatureMaps]) -> FeatureMaps:
    return FeatureMaps(
        torch.cat([m.mid_BChw for m in maps]),
        torch.cat([m.high_BChw for m in maps]),
        torch.cat([m.pixels_B3HW for m in maps if m.pixels_B3HW is not None]),
    )


def _enlarged(logits_1HW: Tensor, target: Shown) -> Tensor:
    return F.interpolate(
        logits_1HW[None], target.mask_HW.shape, mode="bilinear", align_corners=False
    )[0, 0]


def draw_references(
    shown: Sequence[Shown], target: Shown, category: str, shots: int, rng: np.random.Generator
) -> list[Shown]:
    """Draw pictures of a category from other groups than the target's."""
    others = [s for s in shown if s.category == category and s.group != target.group]
    return [others[int(k)] for k in rng.permutation(len(others))[:shots]]


def score_references(
    networks: LiteNetworks,
    shown: Sequence[Shown],
    targets: Sequence[Shown],
    form: AnnotationFormat,
    shots: int,
) -> Tally:
    """Ask each target for its category by references drawn from the others."""
    tally = Tally()
    for number, target in enumerate(targets):
        rng = np.random.default_rng([7, number])
        references = draw_references(shown, target, target.category, shots, rng)
        logits_HW, _ = ask(networks, references, target, form, rng)
        tally.add(target.category, (logits_HW > 0).numpy(), target.mask_HW)
    return tally


@dataclass(frozen=True)
class Asked:
    """What tells a present object from an absent one, of one answer."""

    present: bool
    score: float
    likeness: float
    share: float
    """Of the image that the mask covers."""


def ask_presence(
    networks: LiteNetworks, shown: Sequence[Shown], targets: Sequence[Shown]
) -> list[Asked]:
    """Ask targets for their own category and for one they lack, by one mask."""
    asked = []
    for number, target in enumerate(targets):
        rng = np.random.default_rng([8, number])
        lacking = sorted(target.lacks)
        for category in (target.category, *rng.permutation(lacking)[:2].tolist()):
            references = draw_references(shown, target, category, 1, rng)
            logits_HW, answered = ask(networks, references, target, "mask", rng)
            asked.append(
                Asked(
                    category == target.category,
                    float(answered.score_P),
                    float(answered.present_P.sigmoid()),
                    float((logits_HW > 0).float().mean()),
                )
            )
    return asked


def presence_figures(asked: Sequence[Asked], signal: Callable[[Asked], float]) -> dict[str, float]:
    """Return `min_presence`, the threshold that keeps KEPT of the present, and how well it does.

    That is `false_masks`, their share, and `auroc`: where targets surely lack a category.
    """
    present = np.array([signal(a) for a in asked if a.present])
    absent = np.array([signal(a) for a in asked if not a.present])
    threshold = float(np.quantile(present, 1 - KEPT))
    if not len(absent):
        return {"min_presence": threshold}
    shares = np.array([a.share for a in asked if not a.present])
    false = float(((absent >= threshold) & (shares > FALSE_SHARE)).mean())
    higher = (present[:, None] > absent[None]).mean() + 0.5 * (present[:, None] == absent).mean()
    return {"false_masks": false, "min_presence": threshold, "auroc": float(higher)}


@dataclass(frozen=True)
class Answered:
    """Logits of one target: what may be asked about next [1, H, W], and with edges, of any side."""

    logits_1HW: Tensor
    edged_1HW: Tensor


Asker = Callable[[PromptBatch, Tensor | None], Answered]
"""Answers prompts about one target, and the mask so far [1, H, W]."""


def sam_alone(networks: LiteNetworks, target: Shown) -> Asker:
    """Ask SAM itself; a lone point, which may mean a part or the whole, for its surest answer."""
    embedding_1Dhw = neck_of(networks.sam)(target.maps)
    pixels_13HW = target.maps.pixels_B3HW
    assert pixels_13HW is not None, "pictures are shown with their pixels"

    def ask_of(prompts: PromptBatch, before_1HW: Tensor | None) -> Answered:
        before_11HW = None if before_1HW is None else before_1HW[:, None]
        logits_1MHW, score_1M = answer(networks.sam, embedding_1Dhw, prompts, before_11HW)
        lone = prompts.points_BT2 is not None and before_1HW is None
        logits_1HW = logits_1MHW[:, 1 + int(score_1M[0, 1:].argmax()) if lone else 0]
        return Answered(logits_1HW, along_edges(pixels_13HW, logits_1HW))

    return ask_of


def as_in_studio(networks: LiteNetworks, target: Shown) -> Asker:
    """Ask as the studio does, where the VRP encoder helps SAM."""
    image = CloserLook(networks.sam, networks.vrp, target.image_HW3)

    def ask_of(prompts: PromptBatch, _: Tensor | None) -> Answered:
        edged_1HW = image.ask(Clicks(prompts.points_BT2, prompts.labels_BT, prompts.boxes_B4))
        size_HW = prompts.truth_BHW.shape[1:]
        return Answered(F.interpolate(edged_1HW[None], size_HW, mode="area")[0], edged_1HW)

    return ask_of


@torch.inference_mode()
def score_prompts(
    networks: LiteNetworks,
    targets: Sequence[Shown],
    asker: Callable[[LiteNetworks, Shown], Asker],
) -> dict[str, Tally]:
    """Ask by the tight box, by one point, by three clicks where it was wrong."""
    tallies = {"box": Tally(), "point": Tally(), "clicks": Tally()}
    for target in targets:
        ask_of = asker(networks, target)
        truth_1HW = F.interpolate(
            torch.from_numpy(target.mask_HW)[None, None].float(), (192, 192), mode="area"
        )[0]
        box = PromptBatch(None, None, tight_box(target.mask_HW), truth_1HW, truth_1HW)
        _count(tallies["box"], target, ask_of(box, None))
        # The first click falls deep inside: the greater error of an empty mask.
        empty = PromptBatch(None, None, None, truth_1HW, truth_1HW)
        asked = with_click(empty, torch.full_like(truth_1HW, -1.0))
        found = ask_of(asked, None)
        _count(tallies["point"], target, found)
        for _ in range(2):
            asked = with_click(asked, found.logits_1HW)
            found = ask_of(asked, found.logits_1HW)
        _count(tallies["clicks"], target, found)
    return tallies


def tight_box(mask_HW: np.ndarray) -> Tensor:
    """Return a mask's box in pixels of the input: [1, 4]."""
    height, width = mask_HW.shape
    box = np.array(extent_of(mask_HW), np.float32)
    scale = np.array([INPUT_PX / width, INPUT_PX / height] * 2, np.float32)
    return torch.from_numpy(box * scale)[None]


def _count(tally: Tally, target: Shown, found: Answered) -> None:
    mask_HW = (_enlarged(found.edged_1HW, target) > 0).numpy()
    tally.add(target.category, mask_HW, target.mask_HW)
