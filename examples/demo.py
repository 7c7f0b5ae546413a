"""Draw scenes, label them from six references, score the masks, write a report.

    python examples/demo.py [--out out/demo]

Four reserved categories, which no trained part has seen, are shown by one kind of annotation each.
An object that is not probably there gets no mask. A second run finds what is there and labels
nothing. With other weights or another recipe the folder is made anew.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml
from PIL import Image
from rich.console import Console
from rich.table import Table

from model.draws import Draws
from model.masks.simulate import simulate_annotation
from pipeline.export.coco import export_coco
from pipeline.output.committed import read_committed, read_labels
from pipeline.output.provenance import read_runs
from pipeline.report.page import make_report
from pipeline.report.score import Scores, score_labels
from pipeline.report.truth import read_truth
from pipeline.scenes.categories import RESERVED
from pipeline.scenes.compose import VERSION, Scene, scene
from pipeline.scenes.write import SceneSet, jpeg, write_shards
from pipeline.storage.place import Place
from schemas.job.reference import Box, Points
from schemas.job.storage import Storage
from schemas.record.commit import Commit

ROOT = Path(__file__).parents[1]
WEIGHTS = [
    *(ROOT / f"model/weights/lite-{part}.safetensors" for part in ("sam", "vrp", "kinds")),
    ROOT / "model/presence/heads.json",
]

# Reference scenes come from another seed than targets, so that no image is both.
TARGET_SEED, REFERENCE_SEED = 2026, 2027
# A reference shows one whole object of at least 4 % of its image, as a person would choose it.
LEAST_SHARE = 0.04
# Of the objects shown, those that are to keep a mask. Most scenes lack most categories: asking for
# more gives masks to things that only look alike.
RECALL = 0.9


@dataclass(frozen=True)
class Shown:
    """A category of the demo, how its references are annotated, and how many there are."""

    category: str
    form: Any  # schemas.job.episode.AnnotationFormat
    references: int = 1


SHOWN = (
    Shown("mug", "mask", references=3),
    Shown("gear", "box"),
    Shown("fish", "scribbles"),
    Shown("umbrella", "points"),
)


@dataclass(frozen=True)
class Recipe:
    """What the folder's content depends on; `weights` are sha256 sums."""

    images: int
    targets: int = TARGET_SEED
    references: int = REFERENCE_SEED
    scenes: int = VERSION
    shown: tuple[Shown, ...] = SHOWN
    recall: float = RECALL
    weights: tuple[str, ...] = ()


def main() -> None:
    """Do all steps, print a table, write summary.json."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "out/demo")
    parser.add_argument("--images", type=int, default=200)
    options = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    start = time.monotonic()
    out: Path = options.out.resolve()
    weights = tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in WEIGHTS)
    make_folder(out, Recipe(options.images, weights=weights))

    console.print(f"1 {options.images} scenes, {sum(s.references for s in SHOWN)} references")
    truth = out / "scenes/instances.json"
    if not truth.is_file():
        write_shards(SceneSet(TARGET_SEED, options.images, RESERVED), truth.parent, 50)
    job = out / "job.yaml"
    if not job.is_file():
        job.write_text(yaml.safe_dump(job_of(out), sort_keys=False))

    console.print(f"2 vrp label {job}")
    label(job)
    labels = str(out / "labels")
    console.print(f"3 vrp export coco {labels} --to {out / 'coco.json'}")
    export_coco(labels, Storage(), str(out / "coco.json"))
    console.print(f"4 vrp report {labels} --truth {truth} --to {out / 'report.html'}")
    (out / "report.html").write_text(make_report(labels, str(truth), Storage()).html)

    commit, scores, images_per_s = judge(labels, truth)
    console.print(table_of(scores))
    summary = summary_of(commit, scores, images_per_s, out)
    (out / "summary.json").write_text(json.dumps(summary, indent=1))
    console.print(
        f"{commit.counts.images} images, {commit.counts.rejected} rejected, "
        f"{images_per_s:.1f} images/s while labeling; all in {time.monotonic() - start:.0f} s\n"
        f"look at {out / 'report.html'}"
    )


def make_folder(out: Path, recipe: Recipe) -> None:
    """Make the folder, or empty it when it is of another recipe; leave a stranger's alone."""
    stamp, text = out / "recipe.json", json.dumps(asdict(recipe), indent=1)
    if stamp.is_file() and stamp.read_text() == text:
        return
    if out.is_dir() and any(out.iterdir()):
        if not stamp.is_file():
            sys.exit(f"{out} holds files that are not the demo's; name another folder with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    stamp.write_text(text)


def job_of(out: Path) -> dict[str, Any]:
    """Return the job as YAML says it, its reference files written; paths lie beside the job."""
    (out / "references").mkdir(exist_ok=True)
    references = [
        written(example, shown, number, out)
        for shown in SHOWN
        for number, example in zip(range(shown.references), examples(shown.category), strict=False)
    ]
    return {
        "targets": {"type": "webdataset", "shards": "scenes"},
        "references": references,
        "method": {"type": "vrp", "weights": "lite-vrp"},
        "thresholds": {"recall": RECALL},
        "output": {"uri": "labels"},
        # Two actors and a reader fit two cores; 25 images a unit give both something to do.
        "compute": {
            "actors": {"min": 1, "max": 2},
            "cpus_per_actor": 0.75,
            "images_per_unit": 25,
        },
    }


def examples(category: str) -> Iterator[Scene]:
    """Yield scenes with one whole, large object of the category, in the order of their numbers."""
    first = 1000 * RESERVED.index(category)
    for number in count(first):
        drawn = scene(REFERENCE_SEED, number, RESERVED)
        of_it = [mask_HW for name, mask_HW in drawn.instances if name == category]
        if len(of_it) == 1 and of_it[0].mean() >= LEAST_SHARE and not touches_edge(of_it[0]):
            yield drawn


def touches_edge(mask_HW: np.ndarray) -> bool:
    """Return whether an object may go on beyond its image."""
    inner_HW = np.pad(mask_HW[1:-1, 1:-1], 1)
    return bool((mask_HW & ~inner_HW).any())


def written(example: Scene, shown: Shown, number: int, out: Path) -> dict[str, Any]:
    """Write a reference's image, and its mask where that is the annotation; return its entry."""
    name = f"references/{shown.category}-{number}"
    mask_HW = example.mask_of(shown.category)
    (out / f"{name}.jpg").write_bytes(jpeg(example.image_HW3))
    entry = {"category": shown.category, "image": f"{name}.jpg"}
    if shown.form == "mask":
        Image.fromarray(mask_HW.astype(np.uint8) * 255).save(out / f"{name}.png")
        return {**entry, "annotation": {"type": "mask", "uri": f"{name}.png"}}
    if shown.form == "scribbles":
        return {**entry, "annotation": scribble(mask_HW)}
    drawn = simulate_annotation(mask_HW, shown.form, Draws("demo", shown.category, number))
    return {**entry, "annotation": cast(Box | Points, drawn).model_dump(mode="json")}


def scribble(mask_HW: np.ndarray) -> dict[str, Any]:
    """Draw one stroke down an object, through the middle of its widest run of seven rows."""
    rows = np.flatnonzero(mask_HW.any(axis=1))
    stroke = []
    for y in rows[np.linspace(0, len(rows) - 1, 9).astype(int)[1:-1]].tolist():
        columns = np.flatnonzero(mask_HW[y])
        widest = max(np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1), key=len)
        stroke.append([float(widest[len(widest) // 2]) + 0.5, y + 0.5])
    return {"type": "scribbles", "strokes": [stroke], "width_px": 4.0}


def label(job: Path) -> None:
    """Run the public command; its progress and messages are shown as they come."""
    vrp = Path(sys.executable).with_name("vrp")
    command = [str(vrp), "label", str(job)]
    code = subprocess.run(command, check=False).returncode  # noqa: S603  # our own command
    if code:
        sys.exit(code)


def judge(labels: str, truth: Path) -> tuple[Commit, Scores, float]:
    """Return the commit, its comparison with the true masks, and the speed of its runs."""
    output = Place.open(labels, Storage())
    commit, _ = read_committed(output)
    known = read_truth(str(truth), Storage(), commit.categories)
    scores = score_labels(read_labels(output, commit), commit.categories, known)
    runs = read_runs(output, most=1000)
    seconds = sum(run.seconds for run in runs)
    return commit, scores, sum(run.images for run in runs) / seconds if seconds else 0.0


def table_of(scores: Scores) -> Table:
    """Return what the reader came for."""
    table = Table(
        "category", "annotated with", "references", "images with it", "IoU", "false masks",
        title="categories that nothing was trained on, lite weights",
    )  # fmt: skip
    by_name = {score.category.name: score for score in scores.categories}
    for shown in SHOWN:
        score = by_name[shown.category]
        table.add_row(
            shown.category,
            shown.form,
            str(shown.references),
            str(score.shown),
            "–" if score.iou is None else f"{score.iou:.3f}",
            f"{score.false_masks} of {score.absent}",
        )
    return table


def summary_of(commit: Commit, scores: Scores, images_per_s: float, out: Path) -> dict[str, Any]:
    """Return summary.json: mIoU by annotation format, false masks as a share of absent images."""
    by_name = {score.category.name: score.iou for score in scores.categories}
    return {
        "images": commit.counts.images,
        "rejected": commit.counts.rejected,
        "images_per_s": round(images_per_s, 2),
        "miou": {shown.form: by_name[shown.category] for shown in SHOWN},
        "false_masks": scores.false_mask_share,
        "report": str(out / "report.html"),
    }


if __name__ == "__main__":
    main()
