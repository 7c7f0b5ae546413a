"""References, one of four of them wrong, become how often `vrp check` names it, and a right one.

    python -m benchmarks.references.wrong_reference --seeds 98,99
        [--photos folder --categories dog,horse]

On scenes a job is four references of a reserved category, of which the last is then marked by the
mask of another object in its image: a job a category and seed. On photos, where a folder is given,
the last is replaced by a photo of another category with its mask: a job a category and seed. A line
for each category, then sums.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from benchmarks.references.routing import method
from model.build import load_method
from model.checkpoints.load import Loader
from model.draws import Draws
from model.segmenter import LoadedReference, StudyOptions
from model.side_by_side import remember
from pipeline.presence.pictures import Picture, photo_pictures, scene_pictures
from pipeline.presence.study import Study
from pipeline.references.cross import cross
from pipeline.references.faults import find_faults
from pipeline.scenes.categories import RESERVED
from schemas.job.method import always_masked

SHOTS = 4
SCENES = 24
LEAST_SHARE = 0.02
"""Of an image: smaller objects are no references that anyone would draw."""


@dataclass(frozen=True)
class Case:
    """Four right references of a category, and what stands for the last of them, wrongly."""

    category: str
    right: tuple[LoadedReference, ...]
    wrong: LoadedReference


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", required=True)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--categories", default="")
    asked = parser.parse_args()
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    if asked.photos is None:
        cases = chain.from_iterable(scene_cases(seed) for seed in seeds)
    else:
        cases = photo_cases(asked.photos, asked.categories.split(","), seeds)
    study = lite_study()
    sums: Counter[str] = Counter()
    by_category: dict[str, Counter[str]] = {}
    for case in cases:
        said = accused(study, case)
        sums.update(said)
        by_category.setdefault(case.category, Counter()).update(said)
    for category, said in by_category.items():
        print({"category": category, **said})
    print(dict(sums))


def lite_study() -> Study:
    """Return method `vrp` with the weights of this repository, images remembered over a case."""
    loader = Loader("cpu", "fp32")
    study = load_method(always_masked(method()), loader)
    for encoder in loader.image_encoders():
        remember(encoder, 2 * SHOTS + 2)
    return lambda references: study(references, StudyOptions(evidence=True))


def accused(study: Study, case: Case) -> Counter[str]:
    """Count what is said to contradict in the job without the wrong reference and the one with."""
    without = contradicting(study, case.right)
    with_wrong = contradicting(study, [*case.right[: SHOTS - 1], case.wrong])
    return Counter(
        jobs=1,
        named=int(case.wrong.id in with_wrong),
        right_beside_it=len(with_wrong - {case.wrong.id}),
        right_without_it=len(without),
        jobs_accused_without_it=int(bool(without)),
    )


def contradicting(study: Study, job: Sequence[LoadedReference]) -> set[str]:
    """Return the ids that are said to contradict in a job of these references."""
    faults = find_faults(cross(study, job), {1: ""})
    return {fault.reference for fault in faults if fault.kind == "contradicts"}


def scene_cases(seed: int) -> Iterator[Case]:
    """Draw a case of each reserved category, on scenes that show it and two others."""
    for place, name in enumerate(RESERVED):
        others = (RESERVED[place - 1], RESERVED[place - 2])
        drawn = [
            picture
            for picture in scene_pictures((name, *others), SCENES, seed)
            if name in picture.masks and picture.masks[name].mean() > LEAST_SHARE
        ]
        crowded = next((p for p in drawn if largest_other(p, name) is not None), None)
        if crowded is None or len(drawn) < SHOTS:
            continue
        shown = [*[p for p in drawn if p is not crowded][: SHOTS - 1], crowded]
        other_HW = largest_other(crowded, name)
        assert other_HW is not None
        wrong = LoadedReference("wrong", 1, crowded.image_HW3, other_HW)
        yield Case(name, references(shown, name), wrong)


def largest_other(picture: Picture, name: str) -> np.ndarray | None:
    """Return the largest mask of another category, None where there is none worth marking."""
    masks = [m for other, m in picture.masks.items() if other != name and m.mean() > LEAST_SHARE]
    return max(masks, key=lambda mask_HW: mask_HW.mean(), default=None)


def photo_cases(folder: Path, names: Sequence[str], seeds: Sequence[int]) -> Iterator[Case]:
    """Draw cases of photos; what stands for the last shows nothing that is marked as its kind."""
    pictures = list(photo_pictures(folder, names))
    for name in names:
        own = [p for p in pictures if name in p.masks and p.masks[name].mean() > LEAST_SHARE]
        foreign = [
            (picture, mask_HW)
            for picture in pictures
            if name not in picture.masks
            for mask_HW in picture.masks.values()
            if mask_HW.mean() > LEAST_SHARE
        ]
        for seed in seeds:
            draws = Draws(seed, "wrong reference", name)
            shown = [own[place] for place in draws.distinct(SHOTS, len(own))]
            picture, mask_HW = foreign[draws.below(len(foreign))]
            wrong = LoadedReference("wrong", 1, picture.image_HW3, mask_HW)
            yield Case(name, references(shown, name), wrong)


def references(pictures: Sequence[Picture], name: str) -> tuple[LoadedReference, ...]:
    """Return the pictures as references of a category, by number."""
    return tuple(
        LoadedReference(str(number), 1, picture.image_HW3, picture.masks[name])
        for number, picture in enumerate(pictures)
    )


if __name__ == "__main__":
    main()
