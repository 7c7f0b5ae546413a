"""Label your own photos end to end: pack, upload, label, label again, export, check.

    VRP_PHOTOS=FOLDER python examples/label_photos.py [--dest s3://bucket/prefix]

FOLDER holds `<set>/<class>/<id>.jpg` with mask PNGs beside some, among them three of perseg/cat and
one each of msrc_cow/cow and ccp_clothing/dress: the references, drawn in all four formats. Every
image of FOLDER is a target. Without --dest a local S3 server is started for the bucket. The weights
are random, so the masks mean nothing: what is shown is that nothing is lost on the way.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from examples.local_s3 import local_bucket
from examples.pack_photos import image_paths, upload
from model.draws import Draws
from model.masks.simulate import simulate_annotation
from pipeline.export.coco import export_coco
from pipeline.output.paths import LABELS
from pipeline.storage.place import Place
from schemas.job.episode import AnnotationFormat
from schemas.job.reference import Box, Points
from schemas.job.storage import Storage

IMAGES_PER_SHARD = 64
SCRIBBLE_ROWS = (0.35, 0.5, 0.65)  # heights within the object at which a stroke is drawn


def reference(folder: Path, name: str, category: str, form: AnnotationFormat) -> dict[str, Any]:
    """Annotate a photo in a format, from its mask PNG; return it as a job's reference."""
    photo = folder / f"{name}.jpg"
    mask_png = photo.with_suffix(".png")
    mask_HW = np.asarray(Image.open(mask_png).convert("L")) > 0
    drawn = simulate_annotation(mask_HW, form, Draws("label_photos", name))
    match form:
        case "mask":
            annotation: dict[str, Any] = {"type": "mask", "uri": str(mask_png)}
        case "scribbles":
            annotation = {"type": "scribbles", "strokes": _strokes(mask_HW), "width_px": 6.0}
        case "box" | "points":
            annotation = cast(Box | Points, drawn).model_dump(mode="json")
    return {"category": category, "image": str(photo), "annotation": annotation}


def _strokes(mask_HW: np.ndarray) -> list[list[list[float]]]:
    """Draw lines across the object, each along the longest run of a row of its mask."""
    rows = np.flatnonzero(mask_HW.any(axis=1))
    strokes = []
    for height in SCRIBBLE_ROWS:
        y = int(rows[int(height * (len(rows) - 1))])
        columns = np.flatnonzero(mask_HW[y])
        runs = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
        longest = max(runs, key=len)
        strokes.append([[int(longest[0]) + 0.5, y + 0.5], [int(longest[-1]) + 0.5, y + 0.5]])
    return strokes


def photos_job(folder: Path, dest: str, storage: dict[str, Any]) -> dict[str, Any]:
    """Return the labeling job, as YAML would say it; photos are in dest/shards."""
    cow, dress = (
        min(path.with_suffix("").name for path in (folder / name).glob("*.jpg"))
        for name in ("msrc_cow/cow", "ccp_clothing/dress")
    )
    # With this seed SAM's predicted IoU is above min_score, 0, for most photos; with most other
    # seeds for none, and then all rows are empty.
    sam = {"type": "nano", "weights": "random:4"}
    backbone = {"type": "nano", "weights": "random:0"}
    return {
        "targets": {"type": "webdataset", "shards": f"{dest}/shards"},
        "references": [
            reference(folder, "perseg/cat/00", "cat", "mask"),
            reference(folder, "perseg/cat/01", "cat", "box"),
            reference(folder, "perseg/cat/02", "cat", "points"),
            reference(folder, f"msrc_cow/cow/{cow}", "cow", "scribbles"),
            reference(folder, f"ccp_clothing/dress/{dress}", "dress", "mask"),
        ],
        "method": {"type": "vrp", "weights": "random:0", "sam": sam, "backbone": backbone},
        "output": {"uri": f"{dest}/labels"},
        "compute": {"images_per_unit": 32},
        "storage": storage,
        "allow_random_weights": True,
    }


def expect(truth: bool, sentence: str) -> None:
    """Stop with the sentence unless it is true."""
    if not truth:
        raise SystemExit(f"not so: {sentence}")


def label(job_file: Path) -> dict[str, Any]:
    """Run `vrp label` and return its summary."""
    command = [sys.executable, "-m", "jobs.main", "label", str(job_file), "--json"]
    # Ray joins whatever cluster was last started on a machine, unless told otherwise.
    environment = {"RAY_ADDRESS": "local", **os.environ}
    done = subprocess.run(  # noqa: S603 - our own command
        command, stdout=subprocess.PIPE, text=True, env=environment, check=False
    )
    if done.returncode:
        raise SystemExit(done.returncode)  # the command has said why
    return json.loads(done.stdout.splitlines()[-1])


def check_coco(path: Path) -> int:
    """Load an export in pycocotools and return how many masks agree with their area and box."""
    with contextlib.redirect_stdout(None):
        coco = COCO(str(path))
    annotations: list[Any] = coco.dataset["annotations"]
    for annotation in annotations:
        runs = annotation["segmentation"]
        found = int(coco_mask.area(runs)), coco_mask.toBbox(runs).tolist()
        expect(found == (annotation["area"], annotation["bbox"]), f"mask {annotation['id']} fits")
    return len(annotations)


def run(folder: Path, work: Path, dest: str, storage: dict[str, Any]) -> None:
    """Pack and label, label again, label after losing a part; export, check and print."""
    settings = Storage.model_validate(storage)
    images = len(image_paths(folder))
    shards = upload(folder, f"{dest}/shards", IMAGES_PER_SHARD, settings)
    print(f"{images} photos of {folder} in {len(shards)} shards")
    job_file = work / "job.yaml"
    job_file.write_text(yaml.safe_dump(photos_job(folder, dest, storage), sort_keys=False))

    summaries = {"first run": label(job_file), "second run": label(job_file)}
    parts = Place.open(f"{dest}/labels", settings).below(LABELS)
    lost = parts.below(min(parts.files()))
    before = lost.read()
    lost.remove()
    summaries["one part deleted"] = label(job_file)
    expect(lost.read() == before, f"{lost} comes back with the same bytes")

    columns = ("images", "with_labels", "rejected", "rows", "labelled", "empty", "new_images")
    print(f"{'':18}" + "".join(f"{column:>12}" for column in columns) + f"{'seconds':>9}")
    for name, summary in summaries.items():
        cells = "".join(f"{summary[column]:>12}" for column in columns)
        print(f"{name:18}{cells}{summary['seconds']:>9.1f}")
        accounted = summary["with_labels"] + summary["rejected"]
        expect(summary["images"] == images == accounted, "every photo is accounted for")
        expect(summary["rows"] == 3 * summary["with_labels"], "a row per image and category")
    expect(summaries["second run"]["new_images"] == 0, "the second run does nothing")

    coco_file = work / "photos-coco.json"
    export_coco(f"{dest}/labels", settings, str(coco_file))
    print(f"{check_coco(coco_file)} masks in {coco_file} agree with their areas and boxes")


def main() -> None:
    """Read the command line and the environment, and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, default=os.environ.get("VRP_PHOTOS"))
    parser.add_argument("--dest", help="s3://bucket/prefix or a folder; else a local S3 server")
    parser.add_argument("--work", type=Path, default=Path("out/photos"))
    arguments = parser.parse_args()
    if arguments.photos is None:
        parser.error("name a folder of photos: --photos FOLDER, or the variable VRP_PHOTOS")
    arguments.work.mkdir(parents=True, exist_ok=True)
    folder = arguments.photos.resolve()
    if arguments.dest:
        run(folder, arguments.work, arguments.dest.rstrip("/"), {})
        return
    with local_bucket("photos") as (dest, storage):
        run(folder, arguments.work, dest, storage)


if __name__ == "__main__":
    main()
