"""Measure what a driver holds and writes for a number of units, without labeling them.

    python -m benchmarks.many_units [--units 390625] [--files 1000000]

390,625 units of 256 are 100 million images. CPU seconds and the growth of this process's memory:
the names of the parts listed, the commit built, written and read; and, for single image files, the
plan and what each reading task is handed; and an export to COCO.
"""

import argparse
import gc
import hashlib
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.export.coco import export_coco
from pipeline.inputs.sources import cut_list
from pipeline.masks.runs import encode_rle
from pipeline.output.commit import total_counts, unfinished
from pipeline.output.plan import Plan, extend_plan
from pipeline.output.unit import UnitName, parse_unit, write_unit
from pipeline.storage.place import Place
from schemas.job.reference import Category
from schemas.job.storage import Storage
from schemas.record.commit import Commit, Counts, Identity, Part, Shard

EXPORTED_UNITS = 40
UNITS_PER_SHARD = 40  # tars of 10,240 images, 1 GB of photos of 100 KB


def main() -> None:
    """Print a line for each step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=390_625)
    parser.add_argument("--files", type=int, default=1_000_000)
    given = parser.parse_args()
    _measure_units(given.units)
    gc.collect()
    _measure_files(given.files)
    _measure_export(EXPORTED_UNITS)


@contextmanager
def _measured(what: str) -> Iterator[None]:
    cpu_s, mib = time.process_time(), _resident_mib()
    yield
    print(f"{what:52s} {time.process_time() - cpu_s:7.2f} s {_resident_mib() - mib:+9.0f} MiB")


def _resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def _measure_units(units: int) -> None:
    shards = [_shard(number) for number in range(-(-units // UNITS_PER_SHARD))]
    names = [str(_unit(shards, number)) + ".parquet" for number in range(units)]
    print(f"{units} units in {len(shards)} tars: {-(-units // 1000)} LIST requests of the parts")
    with _measured("names to units"):
        found = {unit for name in names if (unit := parse_unit(name))}
    plan = Plan(tuple(shards), (), ())
    with _measured("what is left to do"):
        left = unfinished(plan, found)
    assert len(left) == (units % UNITS_PER_SHARD > 0)
    with _measured("receipts' parts"):
        parts = tuple(_part(unit) for unit in names)
    with _measured("commit built"):
        commit = _commit(parts, len(shards))
    with _measured("commit.json written"):
        text = commit.model_dump_json(indent=1).encode()
    print(f"{'commit.json':52s} {len(text) / 2**20:7.1f} MiB")
    with _measured("commit.json read"):
        assert Commit.model_validate_json(text) == commit


def _shard(number: int) -> Shard:
    name = f"{number:05d}.tar"
    return Shard(
        id=hashlib.sha256(name.encode()).hexdigest()[:16],
        kind="tar",
        name=name,
        uri=f"s3://bucket/shards/{name}",
        size_bytes=2**30,
        images_per_unit=256,
    )


def _unit(shards: list[Shard], number: int) -> UnitName:
    shard, unit = divmod(number, UNITS_PER_SHARD)
    return UnitName(shards[shard].id, unit, last=unit == UNITS_PER_SHARD - 1)


def _part(name: str) -> Part:
    digest = hashlib.sha256(name.encode()).hexdigest()
    return Part(
        path=f"labels/{name}",
        sha256=digest,
        bytes=540_000,
        images=256,
        rows=3 * 254,
        labelled=500,
        empty=262,
        rejected=2,
        rejected_path=f"rejected/{name.removesuffix('.parquet')}-{digest[:8]}.parquet",
        rejected_sha256=digest,
    )


def _commit(parts: tuple[Part, ...], shards: int) -> Commit:
    units = len(parts)
    counts = Counts(
        images=256 * units,
        with_labels=254 * units,
        rejected=2 * units,
        rows=762 * units,
        labelled=500 * units,
        empty=262 * units,
    )
    return Commit(
        fingerprint="f" * 64,
        random_weights=(),
        categories=(Category(id=1, name="a"),),
        counts=counts,
        shards=shards,
        parts=parts,
    )


def _measure_files(files: int) -> None:
    print(f"{files} single files: {-(-files // 1000)} LIST requests of the inputs")
    with _measured("names, as a listing gives them"):
        prefix = "s3://bucket/photos"
        images = [
            (name, f"{prefix}/{name}")
            for name in (f"{n % 1000:03d}/{n:012d}.jpg" for n in range(files))
        ]
    with _measured("shards"):
        shards = cut_list(images, prefix, 256)
    with tempfile.TemporaryDirectory() as folder:
        output = Place.open(folder, Storage())
        with _measured("plan written"):
            extend_plan(output, shards)
        with _measured("plan read and compared with the inputs"):
            extend_plan(output, shards)
        size = sum(output.below("plan").files().values())
    print(f"{'plan/00000.parquet':52s} {size / 2**20:7.1f} MiB")
    with _measured("what reading tasks are handed"):
        size = sum(len(shard.model_dump_json()) for shard in shards)
    print(f"{'in Ray object store':52s} {size / 2**20:7.1f} MiB")


def commit_units(folder: str, units: int) -> Counts:
    """Commit units of 256 images of 640 x 480 with three wavy masks each."""
    output = Place.open(folder, Storage())
    counts_text = encode_rle(_wavy_disc())["counts"]
    parts = []
    for number in range(units):
        rows = [_row(f"{number}/{i}.jpg", c, counts_text) for i in range(256) for c in (1, 2, 3)]
        name = UnitName("0" * 16, number, last=number == units - 1)
        parts.append(write_unit(output, name, rows, [], images=256))
    categories = tuple(Category(id=c, name=str(c)) for c in (1, 2, 3))
    counts = total_counts(parts)
    commit = Commit(
        fingerprint="f",
        random_weights=(),
        categories=categories,
        counts=counts,
        shards=1,
        parts=tuple(parts),
    )
    identity = Identity(
        fingerprint="f",
        model_fingerprint="m",
        fields={},
        categories=categories,
        source="webdataset",
        random_weights=(),
    )
    output.below("commit.json").replace(commit.model_dump_json().encode())
    output.below("job.json").replace(identity.model_dump_json().encode())
    return counts


def _measure_export(units: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        counts = commit_units(folder, units)
        with _measured(f"export of {counts.rows} masks"):
            export_coco(folder, Storage(), f"{folder}/coco.json")
        size = Path(f"{folder}/coco.json").stat().st_size
        runs = encode_rle(_wavy_disc())["counts"]
        print(f"{'bytes a mask':52s} {size / counts.rows:7.0f}")
        print(f"{'of which run lengths':52s} {len(runs):7d}")


def _wavy_disc() -> np.ndarray:
    y, x = np.mgrid[:480, :640]
    angle = np.arctan2(y - 240, x - 320)
    return np.hypot(y - 240, x - 320) < 150 + 20 * np.sin(9 * angle)


def _row(image_id: str, category: int, counts_text: str) -> dict[str, Any]:
    return {
        "image_id": image_id,
        "uri": f"s3://bucket/shards/00000.tar#{image_id}",
        "height": 480,
        "width": 640,
        "exif_orientation": 1,
        "category_id": category,
        "category": str(category),
        "status": "labelled",
        "rle_counts": counts_text,
        "box_xywh": [150.0, 70.0, 340.0, 340.0],
        "area_px": 70_000,
        "score": 0.9,
        "stability": 0.9,
        "references": ["0123456789ab"],
        "job_fingerprint": "f",
        "model_fingerprint": "m",
        "random_weights": False,
    }


if __name__ == "__main__":
    main()
