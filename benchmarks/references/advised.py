"""Photos with masks become what the advised next reference is worth: IoU beside a random one's.

    VRP_PHOTOS=folder python -m benchmarks.references.advised --categories dog,horse
        [--starts 4] [--candidates 12] [--seed 0]

The folder holds `<category>/<id>.jpg` with `<id>.png`. Of each category every third photo, from the
seed's on, is a target, 10 at most; of the others as many as --candidates are the collection, with
as many photos of the other categories, which lack it. `vrp check`'s rule is asked, with one
candidate given, which to annotate next; who looks at what it advises takes the first that shows the
category. Beside it: the mean over every candidate (what random ones have), and the best. Photos of
other categories count as lacking one that is not marked where it is.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.references.routing import method, named_method
from model.build import LoadedMethod, load_method
from model.checkpoints.load import Loader
from model.draws import Draws
from model.masks.upsample import mask_at
from model.scores.bootstrap import bootstrap_interval
from model.scores.metrics import overlap
from model.segmenter import PLAIN, LoadedReference, Segmenter, StudyOptions
from model.side_by_side import remember
from model.whole_image import Look, load_look
from pipeline.inputs.sample import spread
from pipeline.presence.heads import head_for
from pipeline.presence.pictures import Picture, photo_pictures
from pipeline.references.collection import Sampled, found_by
from pipeline.references.next_reference import next_references
from schemas.job.method import always_masked
from schemas.job.storage import Storage
from schemas.record.presence import PresenceHead

CATEGORY = 1
MOST_TARGETS = 10
LEAST_SHARE = 0.02
"""Of an image: smaller objects are no references that anyone would draw."""


@dataclass(frozen=True)
class Asked:
    """Networks loaded once, and the photos of a category in their parts."""

    study: LoadedMethod
    look: Look
    head: PresenceHead
    category: str
    candidates: Sequence[Picture]
    others: Sequence[Picture]
    targets: Sequence[Picture]


@dataclass(frozen=True)
class Start:
    """One reference given: what the collection is, and the mean IoU with each of it added.

    images are without the given one; iou_N is NaN for those that lack the category.
    """

    category: str
    given_iou: float
    images: tuple[Sampled, ...]
    look_RC: np.ndarray
    iou_N: np.ndarray

    def with_advice(self) -> float:
        """Return the IoU with the first image advised that shows the category, else with none."""
        places = {image.image_id: place for place, image in enumerate(self.images)}
        for image in next_references(self.images, self.look_RC, CATEGORY):
            if not np.isnan(iou := self.iou_N[places[image.image_id]]):
                return float(iou)
        return self.given_iou


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", default=os.environ.get("VRP_PHOTOS"))
    parser.add_argument("--categories", required=True)
    parser.add_argument("--starts", type=int, default=4)
    parser.add_argument("--candidates", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    names = asked.categories.split(",")
    rows = []
    for of_category in divided(Path(asked.photos), names, asked.candidates, asked.seed):
        for start in starts(of_category, asked.starts, asked.seed):
            rows.append(figures(start))
            print({"category": start.category, **rows[-1]}, flush=True)
    print({key: round(float(np.mean([row[key] for row in rows])), 4) for key in rows[0]})
    gains = np.array([row["advised"] - row["random"] for row in rows])
    # Starts of a category share their targets, so that whole categories are redrawn.
    gain_C = gains.reshape(len(names), -1).mean(axis=1)
    low, high = bootstrap_interval(
        lambda chosen: float(gain_C[chosen].mean()), np.zeros(len(names)), 0
    )
    print(f"advised - random: {gains.mean():.4f} [{low:.4f}, {high:.4f}] over categories")


def figures(start: Start) -> dict[str, float]:
    """Return the mean IoU with the given reference alone, and with a second one."""
    known = start.iou_N[~np.isnan(start.iou_N)]
    found = {
        "given": start.given_iou,
        "random": known.mean(),
        "advised": start.with_advice(),
        "best": known.max(),
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def divided(folder: Path, names: Sequence[str], count: int, seed: int) -> Iterator[Asked]:
    """Load the networks, and divide each category's photos."""
    loader = Loader("cpu", "fp32")
    study, look = load_method(always_masked(method()), loader), load_look(method(), loader)
    for encoder in loader.image_encoders():
        remember(encoder, 2 * count + MOST_TARGETS + 2)
    head = head_for(named_method(), None, Storage())
    pictures = list(photo_pictures(folder, names))
    for name in names:
        own = [p for p in pictures if name in p.masks and p.masks[name].mean() > LEAST_SHARE]
        rest = [one for place, one in enumerate(own) if place % 3 != seed % 3]
        lacking = [picture for picture in pictures if name not in picture.masks]
        yield Asked(
            study,
            look,
            head,
            name,
            spread(rest, count),
            spread(lacking, count),
            spread(own[seed % 3 :: 3], MOST_TARGETS),
        )


def starts(asked: Asked, count: int, seed: int) -> Iterator[Start]:
    """Give some candidates, each alone, and try every other as the second reference."""
    shown = [reference(number, one, asked.category) for number, one in enumerate(asked.candidates)]
    pictures = [*asked.candidates, *asked.others]
    look_NC = np.stack([asked.look(picture.image_HW3) for picture in pictures])
    for given in Draws(seed, "advised", asked.category).distinct(count, len(shown)):
        alone = asked.study([shown[given]], StudyOptions(evidence=True))
        others = [place for place in range(len(pictures)) if place != given]
        images = tuple(
            Sampled(
                str(place),
                look_NC[place],
                Image.new("RGB", (1, 1)),
                {CATEGORY: found_by(asked.head, alone.segment([pictures[place].image_HW3])[0][0])},
            )
            for place in others
        )
        iou_N = [
            mean_iou(asked.study([shown[given], shown[place]], PLAIN), asked)
            if place < len(shown)
            else np.nan
            for place in others
        ]
        look_RC = look_NC[[given]]
        yield Start(asked.category, mean_iou(alone, asked), images, look_RC, np.array(iou_N))


def reference(number: int, picture: Picture, name: str) -> LoadedReference:
    """Return a picture as a reference of its category."""
    return LoadedReference(str(number), CATEGORY, picture.image_HW3, picture.masks[name])


def mean_iou(segmenter: Segmenter, asked: Asked) -> float:
    """Return the mean over the targets of the IoU of what is found."""
    ious = []
    for target in asked.targets:
        [[found]] = segmenter.segment([target.image_HW3])
        truth_HW = target.masks[asked.category]
        pair = overlap(mask_at(found, (truth_HW.shape[0], truth_HW.shape[1]), 0.0), truth_HW)
        ious.append(pair.intersection_px / pair.union_px)
    return float(np.mean(ious))


if __name__ == "__main__":
    main()
