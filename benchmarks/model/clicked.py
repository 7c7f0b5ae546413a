"""Photos with masks become how much a SAM finds of them by a box, a point and three clicks.

    python -m benchmarks.model.clicked --photos PHOTOS [--sam mobile_sam] [--type vit_t]
        [--categories dog,horse] [--most 1000]

What the cards of `lite` call `iou_*`, for any SAM, asked as the studio asks it: each click falls
where the mask so far is most wrong. Mean IoUs over the photos.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from jobs.own_weights.lite import HELD_OUT
from model.clicks import ClickedSam
from model.networks.lite.trunk import INPUT_PX, published_trunk
from model.training.lite import POSITIVE, LiteNetworks, PromptBatch
from pipeline.lite.ask import Answered, Asker, score_prompts
from pipeline.lite.photos import hold_out, read_photos
from pipeline.lite.shown import Shown, pick, show_photos
from pipeline.weights.of_method import local_method
from schemas.job.networks import Sam
from schemas.job.storage import Storage


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--sam", default="mobile_sam")
    parser.add_argument("--type", default="vit_t")
    parser.add_argument("--categories", default=HELD_OUT)
    parser.add_argument("--most", type=int, default=1000)
    asked = parser.parse_args()
    categories = asked.categories.split(",")
    spec = Sam.model_validate({"type": asked.type, "weights": asked.sam})
    sam = ClickedSam(local_method(spec, Storage()), "cpu")
    trunk = published_trunk()
    _, held = hold_out(read_photos(asked.photos), categories)
    targets = pick(show_photos(trunk, held, categories), asked.most)
    tallies = score_prompts(LiteNetworks(trunk), targets, lambda _, target: asker(sam, target))
    for name, tally in tallies.items():
        low, high = tally.interval(tally.mean_iou)
        print(f"{name}: {tally.mean_iou():.3f} [{low:.3f}, {high:.3f}] of {len(targets)}")


def asker(sam: ClickedSam, target: Shown) -> Asker:
    """Ask about one photo, in its own pixels: prompts come in those of lite's square input."""
    image = sam.embed(target.image_HW3)
    height, width = target.mask_HW.shape
    scale_2 = torch.tensor([width, height]) / INPUT_PX

    def ask(prompts: PromptBatch, _: Tensor | None) -> Answered:
        points: list[tuple[float, float]] = []
        on: list[bool] = []
        if prompts.points_BT2 is not None and prompts.labels_BT is not None:
            points = [(float(x), float(y)) for x, y in prompts.points_BT2[0] * scale_2]
            on = (prompts.labels_BT[0] == POSITIVE).tolist()
        box = None
        if prompts.boxes_B4 is not None:
            x0, y0, x1, y1 = (prompts.boxes_B4[0].view(2, 2) * scale_2).flatten().tolist()
            box = (x0, y0, x1, y1)
        mask_1HW = torch.from_numpy(sam.mask(image, points, on, box))[None].float() * 2 - 1
        coarse_1HW = F.interpolate(mask_1HW[None], prompts.truth_BHW.shape[1:], mode="area")[0]
        return Answered(coarse_1HW, mask_1HW)

    return ask


if __name__ == "__main__":
    main()
