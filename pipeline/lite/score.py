"""Trained networks and held-out pictures become the figures of the model cards."""

from collections.abc import Sequence

from model.networks.lite_trunk import LiteTrunk
from model.training.lite import LiteNetworks
from pipeline.lite.ask import Asked, ask_presence, false_masks, score_prompts, score_references
from pipeline.lite.draw import FORMATS
from pipeline.lite.photos import Photo
from pipeline.lite.shown import Shown, pick, show_photos, show_scenes
from pipeline.lite.tally import Tally

SHOTS = 5


def score_photos(
    networks: LiteNetworks,
    trunk: LiteTrunk,
    photos: Sequence[Photo],
    categories: Sequence[str],
    most: int,
) -> dict[str, dict[str, float]]:
    """Return SAM's and the VRP encoder's figures on categories that were held out.

    Of mIoU and IoU `_low` and `_high` bound the 95 % interval; `min_presence` keeps nine tenths of
    the objects that are there.
    """
    shown = show_photos(trunk, photos, categories)
    targets = pick(shown, most)
    figures: dict[str, float] = {}
    for form in FORMATS:
        tally = score_references(networks, shown, targets, form, 1)
        figures |= _with_interval(f"miou_{form}", tally)
    tally = score_references(networks, shown, targets, "mask", SHOTS)
    figures |= _with_interval(f"miou_{SHOTS}_masks", tally)
    asked = ask_presence(networks, shown, targets)
    figures["false_masks"], figures["min_presence"], figures["auroc"] = false_masks(asked, _signal)
    return {"vrp": figures, "sam": score_sam(networks, targets)}


def score_sam(networks: LiteNetworks, targets: Sequence[Shown]) -> dict[str, float]:
    """Return SAM's own figures: the mean IoU by a box, a point, three clicks."""
    figures: dict[str, float] = {}
    for name, tally in score_prompts(networks, targets).items():
        low, high = tally.interval(tally.mean_iou)
        figures |= {f"iou_{name}": tally.mean_iou(), f"iou_{name}_low": low}
        figures[f"iou_{name}_high"] = high
    return figures


def score_scenes(networks: LiteNetworks, trunk: LiteTrunk, most: int) -> dict[str, float]:
    """Return the mIoU by one mask on scenes of the reserved categories."""
    shown = show_scenes(trunk)
    tally = score_references(networks, shown, pick(shown, most), "mask", 1)
    return _with_interval("miou_mask", tally)


def _with_interval(name: str, tally: Tally) -> dict[str, float]:
    low, high = tally.interval(tally.miou)
    return {name: tally.miou(), f"{name}_low": low, f"{name}_high": high}


def _signal(asked: Asked) -> float:
    return asked.score * asked.likeness
