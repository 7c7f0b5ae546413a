"""Seconds of `vrp label` where one of five categories has another reference: with and without
the earlier output, on drawn scenes with `lite`; and how far the two outputs' rows differ.

python -m benchmarks.changed [IMAGES]

Wall time as the command says it, Ray's start included; the two are begun twice, in turn.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from examples.demo import Shown, examples, written
from pipeline.scenes.categories import RESERVED
from pipeline.scenes.write import SceneSet, write_shards

CATEGORIES = RESERVED[:5]
REPEATS = 2
FLOATS = ("score", "stability", "presence")


def main(images: int, folder: Path) -> None:
    """Label first, then the changed job each way, and print what it took."""
    write_shards(SceneSet(2026, images, RESERVED), folder / "scenes", 50)
    (folder / "references").mkdir()
    first = [reference(name, 0, folder) for name in CATEGORIES]
    more = [*first, reference(CATEGORIES[-1], 1, folder)]
    tell("first", label(folder, "first", first))
    for turn in range(REPEATS):
        tell("from nothing", label(folder, f"from-nothing-{turn}", more))
        tell("with the earlier output", label(folder, f"earlier-{turn}", more, earlier="first"))
    print(difference(folder / "from-nothing-0", folder / "earlier-0"))


def reference(category: str, number: int, folder: Path) -> dict[str, Any]:
    """Write the n-th reference of a category, a mask; return its entry in a job."""
    drawn = examples(category)
    for _ in range(number):
        next(drawn)
    return written(next(drawn), Shown(category, "mask"), number, folder)


def label(
    folder: Path, output: str, references: list[dict[str, Any]], **more: str
) -> dict[str, Any]:
    """Run `vrp label` on a job of these references; return its summary."""
    document = {
        "targets": {"type": "webdataset", "shards": "scenes"},
        "references": references,
        "method": {"type": "vrp", "weights": "lite-vrp"},
        "output": {"uri": output},
        "compute": {"actors": {"min": 1, "max": 1}, "images_per_unit": 50},
        **more,
    }
    job = folder / f"{output}.yaml"
    job.write_text(yaml.safe_dump(document, sort_keys=False))
    command = [sys.executable, "-m", "jobs.main", "label", str(job), "--json"]
    ran = subprocess.run(  # noqa: S603 - ours
        command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    return json.loads(ran.stdout.splitlines()[-1])


def tell(name: str, summary: dict[str, Any]) -> None:
    """Print what a run took, in all and of the model."""
    stages = summary["seconds_by_stage"]
    print(
        f"{name}: {summary['seconds']:.1f} s, of these model {stages['segment']:.1f} s, "
        f"masks {stages['encode']:.1f} s; {summary['taken_rows']} of {summary['rows']} rows taken",
        flush=True,
    )


def difference(one: Path, other: Path) -> str:
    """Say in how many rows the masks differ, and by how much at most the numbers do."""
    rows, masks, most = 0, 0, 0.0
    for path in sorted((one / "labels").iterdir()):
        pairs = [pq.read_table(o / "labels" / path.name).to_pylist() for o in (one, other)]
        for a, b in zip(*pairs, strict=True):
            rows += 1
            masks += a["rle_counts"] != b["rle_counts"]
            most = max(most, *(abs(a[name] - b[name]) for name in FLOATS))
    return f"{masks} masks of {rows} differ, scores, stability and presence by {most:.1e} at most"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, Path(name))
