"""Trained networks and held-out pictures become the figures of the model cards."""

from collections.abc import Sequence

import numpy as np
import torch

from model.training.lite import LiteNetworks
from pipeline.lite.ask import (
    as_in_studio,
    ask,
    ask_presence,
    draw_references,
    presence_figures,
    sam_alone,
    score_prompts,
    score_references,
)
from pipeline.lite.draw import FORMATS
from pipeline.lite.shown import Shown, pick
from pipeline.lite.tally import Tally

SHOTS = 5
OFFSETS = tuple(step / 4 for step in range(13))
"""Of masks' logits, to choose from."""


def score_photos(
    networks: LiteNetworks, shown: Sequence[Shown], most: int
) -> dict[str, dict[str, float]]:
    """Return SAM's and the VRP encoder's figures on encoded photos of categories held out.

    Of mIoU and IoU `_low` and `_high` bound the 95 % interval; `min_presence` keeps nine tenths of
    the objects that are there. Of the others there are no figures where no target surely lacks one.
    """
    targets = pick(shown, most)
    figures: dict[str, float] = {"offset": float(networks.vrp.offset)}
    for form in FORMATS:
        tally = score_references(networks, shown, targets, form, 1)
        figures |= _with_interval(f"miou_{form}", tally)
    tally = score_references(networks, shown, targets, "mask", SHOTS)
    figures |= _with_interval(f"miou_{SHOTS}_masks", tally)
    asked = ask_presence(networks, shown, targets)
    figures |= presence_figures(asked, lambda one: one.likeness)
    return {"vrp": figures, "sam": score_sam(networks, targets)}


@torch.inference_mode()
def choose_offset(
    networks: LiteNetworks, shown: Sequence[Shown], targets: Sequence[Shown]
) -> float:
    """Give the VRP encoder the offset of the greatest mIoU by one mask; return it."""
    networks.vrp.offset.zero_()
    tallies = {offset: Tally() for offset in OFFSETS}
    for number, target in enumerate(targets):
        rng = np.random.default_rng([7, number])
        references = draw_references(shown, target, target.category, 1, rng)
        logits_HW, _ = ask(networks, references, target, "mask", rng)
        for offset, tally in tallies.items():
            tally.add(target.category, (logits_HW > -offset).numpy(), target.mask_HW)
    best = max(OFFSETS, key=lambda offset: tallies[offset].miou())
    networks.vrp.offset.fill_(best)
    return best


def score_sam(networks: LiteNetworks, targets: Sequence[Shown]) -> dict[str, float]:
    """Return mean IoUs by a box, a point, three clicks: SAM's own, and those of the studio."""
    figures: dict[str, float] = {}
    for kind, asker in {"iou": sam_alone, "iou_studio": as_in_studio}.items():
        for name, tally in score_prompts(networks, targets, asker).items():
            low, high = tally.interval(tally.mean_iou)
            figures |= {f"{kind}_{name}": tally.mean_iou()}
            figures |= {f"{kind}_{name}_low": low, f"{kind}_{name}_high": high}
    return figures


def score_scenes(networks: LiteNetworks, shown: Sequence[Shown], most: int) -> dict[str, float]:
    """Return the mIoU by one mask on encoded scenes of the reserved categories."""
    tally = score_references(networks, shown, pick(shown, most), "mask", 1)
    return _with_interval("scenes_miou_mask", tally)


def _with_interval(name: str, tally: Tally) -> dict[str, float]:
    low, high = tally.interval(tally.miou)
    return {name: tally.miou(), f"{name}_low": low, f"{name}_high": high}
