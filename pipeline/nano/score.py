"""Networks and unseen scenes become the figures of the model cards.

A category's IoU is the sum of its intersections by the sum of its unions, at image resolution; mIoU
is the mean over categories. Thresholds of pseudo-masks are chosen on the very episodes they are
judged on: the best that any threshold could do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor
from torch.nn import functional as F

from model.draws import Draws
from model.masks.rasterise import rasterise
from model.masks.simulate import simulate_annotation
from model.methods.presence import look, presence
from model.methods.vrp import VrpNetworks
from model.networks.feature_maps import FeatureMaps
from model.networks.mask_decoder import decode
from model.networks.pixels import normalise, squash
from model.networks.pseudo_mask import foreground_cells, pseudo_mask, unit_cells
from model.networks.sam import SAM_SIZES, dense_position
from model.scores.metrics import presence_auroc
from model.training.pretrain_sam import (
    CORNERS,
    POSITIVE,
    PromptBatch,
    Window,
    decode_all,
    embed_prompts,
    encode,
)
from pipeline.scenes.compose import Scene, scene
from schemas.job.episode import AnnotationFormat

FORMATS: tuple[AnnotationFormat, ...] = ("mask", "box", "scribbles", "points")
SHOTS = 5
FALSE_SHARE = 0.01
"""An absent category's mask of more than this share of the image is a false mask."""

THRESHOLDS = tuple(step / 40 for step in range(41))

ABSENT_KEPT = 0.07
"""Share of absent objects that keep a mask at the recommended `min_presence`, of categories that
the encoder has seen; of others more do."""


@dataclass(frozen=True)
class Episode:
    """References of a category, a target that shows it, and one that does not."""

    category: str
    references: tuple[Scene, ...]
    target: Scene
    absent: Scene


@torch.inference_mode()
def score_vrp(
    networks: VrpNetworks, categories: Sequence[str], episodes: int, seed: int, size_px: int = 256
) -> dict[str, float]:
    """Return mIoU by format (1-shot), 5-shot and of pseudo-masks; what min_presence lets through.

    mIoU is of the masks before the networks' min_presence, on targets that all show the category;
    found_ is the share of these targets that keep their mask, false_masks_ that of the images
    without the category that keep one.
    """
    tally = _Tally()
    for number in range(episodes):
        category = categories[number % len(categories)]
        episode = _draw(category, categories, Draws(seed, "score", number), size_px)
        _score_episode(networks, episode, Draws(seed, "annotation", number), tally)
    return tally.figures()


@torch.inference_mode()
def recommend_presence(
    networks: VrpNetworks, categories: Sequence[str], episodes: int, seed: int
) -> float:
    """Return the min_presence that leaves a mask to `ABSENT_KEPT` of the absent objects."""
    found: list[float] = []
    for number in range(episodes):
        category = categories[number % len(categories)]
        episode = _draw(category, categories, Draws(seed, "presence", number), 256, shots=1)
        absent, reference = (
            _encode(networks, episode.absent),
            _maps(networks, episode.references[0]),
        )
        shown_HW = episode.references[0].mask_of(category)
        for form in FORMATS:
            drawn = simulate_annotation(shown_HW, form, Draws(seed, form, number))
            cells = _cells(networks, drawn, shown_HW.shape)
            found.append(_find(networks, absent, [reference], [cells], shown_HW.shape).presence)
    return round(float(np.quantile(found, 1 - ABSENT_KEPT)), 3)


class Found(NamedTuple):
    """A mask as logits [H, W] and how present its object is."""

    logits_HW: Tensor
    presence: float


def _draw(
    category: str, categories: Sequence[str], draws: Draws, size_px: int, shots: int = SHOTS
) -> Episode:
    others = [name for name in categories if name != category]
    seed = draws.below(2**31) + 2**31  # training uses small seeds
    scenes = _scenes_with(category, others, draws, seed, size_px)
    *references, target = (next(scenes) for _ in range(shots + 1))
    return Episode(category, tuple(references), target, scene(seed, 10**6, others, size_px))


def _scenes_with(
    category: str, others: list[str], draws: Draws, seed: int, size_px: int
) -> Iterator[Scene]:
    """Draw scenes of the category and up to two others, keeping those where it is in sight."""
    index = 0
    while True:
        chosen = [others[k] for k in draws.distinct(min(2, len(others)), len(others))]
        drawn = scene(seed, index, [category, *chosen], size_px)
        index += 1
        if drawn.mask_of(category).sum() >= 0.0078 * size_px**2:  # 2 * 32 * 32 px of 512 x 512
            yield drawn


def _score_episode(networks: VrpNetworks, episode: Episode, draws: Draws, tally: "_Tally") -> None:
    truth_HW = episode.target.mask_of(episode.category)
    target, absent = _encode(networks, episode.target), _encode(networks, episode.absent)
    references = [_maps(networks, one) for one in episode.references]
    shown = [one.mask_of(episode.category) for one in episode.references]
    least = -1.0 if networks.min_presence is None else networks.min_presence
    for form in FORMATS:
        cells = [_cells(networks, simulate_annotation(m, form, draws), m.shape) for m in shown]
        one = _find(networks, target, references[:1], cells[:1], truth_HW.shape)
        tally.add(f"miou_{form}_1", episode.category, one.logits_HW > 0, truth_HW)
        tally.count(f"found_{form}", one.presence >= least)
        nothing = _find(networks, absent, references[:1], cells[:1], truth_HW.shape)
        share = float((nothing.logits_HW > 0).float().mean())
        tally.count(f"false_masks_{form}", share > FALSE_SHARE and nothing.presence >= least)
        if form == "mask":
            tally.tell(one.presence, nothing.presence)
            tally.count("false_masks_unfiltered", share > FALSE_SHARE)
            five = _find(networks, target, references, cells, truth_HW.shape)
            tally.add("miou_mask_5", episode.category, five.logits_HW > 0, truth_HW)
            _score_baselines(episode, target[0], references[0], cells[0], tally)


def _score_baselines(
    episode: Episode,
    target: FeatureMaps,
    reference: FeatureMaps,
    cells_1hw: Tensor,
    tally: "_Tally",
) -> None:
    """Threshold the feature pseudo-mask, and one of plain colours, at every level."""
    truth_HW = episode.target.mask_of(episode.category)
    side = target.high_BChw.shape[-1]
    similarity = {
        "pseudo_mask": pseudo_mask(
            unit_cells(target.high_BChw),
            foreground_cells(reference.high_BChw[0], cells_1hw[0].bool()),
            "min_max",
        ).view(1, 1, side, side),
        "colour": _colour_similarity(episode),
    }
    for name, levels in similarity.items():
        map_HW = F.interpolate(levels, truth_HW.shape, mode="bilinear")[0, 0]
        for threshold in THRESHOLDS:
            tally.add(f"{name}@{threshold}", episode.category, map_HW > threshold, truth_HW)


def _colour_similarity(episode: Episode) -> Tensor:
    """Nearness of each colour to the nearest one of the reference's object, 0..1, on 64 x 64."""
    side = 64
    colours = [
        squash(one.image_HW3, side, torch.device("cpu"))[0].flatten(1).T
        for one in (episode.target, episode.references[0])
    ]
    shown_HW = episode.references[0].mask_of(episode.category)
    shown_S = torch.from_numpy(rasterise(shown_HW, shown_HW.shape, (side, side))).flatten()
    distance_S = torch.cdist(colours[0], colours[1][shown_S]).amin(dim=1)
    return (1 - distance_S / distance_S.max().clamp(min=1e-6)).view(1, 1, side, side)


def _encode(networks: VrpNetworks, one: Scene) -> tuple[FeatureMaps, Tensor]:
    side_px = networks.sam.image_encoder.img_size
    pixels = squash(one.image_HW3, side_px, torch.device("cpu"))
    return _maps(networks, one), networks.sam.image_encoder(normalise(pixels))


def _maps(networks: VrpNetworks, one: Scene) -> FeatureMaps:
    side_px = networks.backbone.size.input_px
    return networks.backbone(normalise(squash(one.image_HW3, side_px, torch.device("cpu"))))


def _cells(networks: VrpNetworks, annotation: object, image_HW: tuple[int, ...]) -> Tensor:
    grid = networks.backbone.size.grid
    cells_hw = rasterise(annotation, image_HW, (grid, grid))  # pyright: ignore[reportArgumentType] - the annotation's type is model.masks.simulate's own union
    return torch.from_numpy(cells_hw)[None].float()


def _find(
    networks: VrpNetworks,
    target: tuple[FeatureMaps, Tensor],
    references: Sequence[FeatureMaps],
    cells: Sequence[Tensor],
    image_HW: tuple[int, ...],
) -> Found:
    maps, embedding_1Dhw = target
    shown = FeatureMaps(
        torch.cat([r.mid_BChw for r in references]), torch.cat([r.high_BChw for r in references])
    )
    studied = networks.encoder.study(shown, torch.cat(list(cells)))
    prompts_1RND = networks.encoder.prompt(maps, studied)
    no_mask = networks.sam.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1)
    logits_11hw, _ = decode(
        networks.sam.mask_decoder,
        embedding_1Dhw + no_mask,
        dense_position(networks.sam),
        prompts_1RND.flatten(1, 2)[:, None],
    )
    looks_1C = look(studied.foreground_FC)[None]
    return Found(
        F.interpolate(logits_11hw, image_HW, mode="bilinear", align_corners=False)[0, 0],
        float(presence(maps.high_BChw, logits_11hw, looks_1C)),
    )


class _Tally:
    """Intersections and unions by figure and category; yes and no by figure; presences."""

    def __init__(self) -> None:
        self._presences: list[tuple[float, float]] = []
        self._areas: dict[str, dict[str, np.ndarray]] = {}
        self._answers: dict[str, list[bool]] = {}

    def add(self, figure: str, category: str, mask_HW: Tensor, truth_HW: np.ndarray) -> None:
        """Take in one mask."""
        mask = mask_HW.numpy()
        areas = np.array([(mask & truth_HW).sum(), (mask | truth_HW).sum()])
        by_category = self._areas.setdefault(figure, {})
        by_category[category] = by_category.get(category, 0) + areas

    def count(self, figure: str, answer: bool) -> None:
        """Take in one yes or no."""
        self._answers.setdefault(figure, []).append(answer)

    def tell(self, present: float, absent: float) -> None:
        """Take in the presence of an object that is there, and of one that is not."""
        self._presences.append((present, absent))

    def figures(self) -> dict[str, float]:
        """Return every figure; of thresholds the best."""
        found = {k: sum(v) / len(v) for k, v in self._answers.items()}
        for figure, by_category in self._areas.items():
            miou = float(np.mean([overlap / union for overlap, union in by_category.values()]))
            name = f"miou_{figure.partition('@')[0]}" if "@" in figure else figure
            found[name] = max(found.get(name, 0.0), miou)
        told = np.array(self._presences)
        found["presence_auroc"] = presence_auroc(told.ravel(), np.tile([True, False], len(told)))
        return {name: round(value, 4) for name, value in sorted(found.items())}


@torch.inference_mode()
def score_sam(
    sam: Sam, categories: Sequence[str], scenes: int, seed: int, size_px: int = 256
) -> dict[str, float]:
    """Return SAM's mean IoU per instance for its tight box, one point and three points."""
    window = Window(0, 0, SAM_SIZES["nano"].grid)
    found: dict[str, list[float]] = {}
    for number in range(scenes):
        draws = Draws(seed, "sam", number)
        drawn = scene(2**31 + seed, number, categories, size_px)
        pixels = squash(drawn.image_HW3, sam.image_encoder.img_size, torch.device("cpu"))
        embedding_1Dhw = encode(sam.image_encoder, normalise(pixels), window)
        for _, mask_HW in drawn.instances:
            for name, points_T2 in _instance_prompts(mask_HW, draws).items():
                is_points = name != "sam_box"
                prompt = PromptBatch(
                    torch.tensor([points_T2], dtype=torch.float32),
                    torch.tensor([[POSITIVE] * len(points_T2) if is_points else CORNERS]),
                    torch.zeros(1, dtype=torch.long),
                    torch.empty(0),
                    torch.empty(0),
                    is_points,
                )
                logits_1Mhw, _ = decode_all(
                    sam, embedding_1Dhw, dense_position(sam), embed_prompts(sam, prompt)
                )
                mask = F.interpolate(logits_1Mhw[:, :1], mask_HW.shape, mode="bilinear")[0, 0] > 0
                overlap, union = mask.numpy() & mask_HW, mask.numpy() | mask_HW
                found.setdefault(name, []).append(float(overlap.sum() / union.sum()))
    return {f"{name}_iou": round(float(np.mean(values)), 4) for name, values in found.items()}


def _instance_prompts(mask_HW: np.ndarray, draws: Draws) -> dict[str, list[tuple[float, float]]]:
    """The prompts of one instance: corners of its box, one point on it, three points on it."""
    rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
    inside = np.flatnonzero(mask_HW)
    drawn = [divmod(int(inside[draws.below(len(inside))]), mask_HW.shape[1]) for _ in range(3)]
    points = [(float(x), float(y)) for y, x in drawn]
    corners = [(float(columns[0]), float(rows[0])), (columns[-1] + 1.0, rows[-1] + 1.0)]
    return {"sam_box": corners, "sam_point": points[:1], "sam_points": points}
