"""A job over random photos on S3, its driver as a process, and what it left behind."""

import io
import tarfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import yaml
from PIL import Image

from jobs.main import main
from pipeline.output.audit import audit
from pipeline.output.commit import read_commit
from pipeline.storage.place import Place
from tests.made.cluster.drivers import start
from tests.made.servers.s3 import Bucket

UNIT = 16  # images; a unit is then a second or two of work
SHARD = 100  # images: six units and a remainder
CATEGORIES = ("cat", "cow")


def _label(job_file: str) -> None:
    main(["label", job_file])


@dataclass(frozen=True)
class Job:
    """The job, which differs between runs by its output alone."""

    bucket: Bucket
    folder: Path
    address: str

    def start(self, output: str) -> BaseProcess:
        """Start `vrp label` as a process of its own."""
        path = self.folder / f"{output}.yaml"
        path.write_text(yaml.safe_dump(self._document(output)))
        return start(_label, path, self.log(output), {"RAY_ADDRESS": self.address})

    def log(self, output: str) -> Path:
        """Return where the drivers of an output write to."""
        return self.folder / f"{output}.log"

    def _document(self, output: str) -> dict[str, Any]:
        nano = {"type": "nano", "weights": "random:1"}
        box = {"type": "box", "xyxy": [3, 4, 30, 40]}
        reference = {"image": str(self.folder / "reference.jpg"), "annotation": box}
        storage = self.bucket.storage
        assert storage.key is not None
        assert storage.secret is not None
        return {
            "targets": {"type": "webdataset", "shards": f"{self.bucket.uri}/shards"},
            "references": [{"category": name, **reference} for name in CATEGORIES],
            "method": {"type": "vrp", "weights": "random:2", "sam": nano, "backbone": nano},
            "output": {"uri": f"{self.bucket.uri}/{output}"},
            "allow_random_weights": True,
            "storage": {
                "endpoint_url": storage.endpoint_url,
                "region": storage.region,
                "key": storage.key.get_secret_value(),
                "secret": storage.secret.get_secret_value(),
            },
            "compute": {
                "images_per_unit": UNIT,
                "batch_size": 8,
                "precision": "fp32",
                # The undisturbed run has one actor, the others up to two: no byte may differ.
                "actors": {"min": 1, "max": 1 if output == "calm" else 2},
                "cpus_per_actor": 1.5,  # of a node's two: one actor a node, and readers
                "read_tasks": 2,
                "decode_threads": 1,
            },
        }


def fill(bucket: Bucket, folder: Path, images: int) -> None:
    """Write the shards, one image in fifty cut off, and the reference."""
    (folder / "reference.jpg").write_bytes(_photo(10**6))
    for first in range(0, images, SHARD):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for number in range(first, min(first + SHARD, images)):
                data = _photo(number)
                data = data[: len(data) // 3] if number % 50 == 7 else data
                member = tarfile.TarInfo(f"{number:06d}.jpg")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        bucket.put(f"shards/{first // SHARD:04d}.tar", buffer.getvalue())


def _photo(seed: int) -> bytes:
    small = np.random.default_rng(seed).integers(0, 255, (4, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(small).resize((60, 44), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def contents(bucket: Bucket, output: str) -> dict[str, bytes]:
    """Return the bytes of an output's committed parts by path, those of rejected rows included."""
    folder = Place.open(f"{bucket.uri}/{output}", bucket.storage)
    commit = read_commit(folder)
    assert commit is not None, f"{output} has no commit"
    names = [p for part in commit.parts for p in (part.path, part.rejected_path) if p]
    return {name: folder.below(name).read() for name in names}


@dataclass(frozen=True)
class Remains:
    """What is wrong with an output: images and categories lost or there twice, and all else."""

    duplicates: int
    losses: int
    faults: tuple[str, ...]


def inspect(bucket: Bucket, output: str, calm: Mapping[str, bytes], images: int) -> Remains:
    """Compare an output's rows with its inputs, and its bytes with an undisturbed run's.

    Every image has one row for each category, or one rejected row, which stands for all.
    """
    folder = Place.open(f"{bucket.uri}/{output}", bucket.storage)
    faults = list(audit(folder))
    found = contents(bucket, output)
    rows: Counter[tuple[str, int]] = Counter()
    for name, data in found.items():
        for row in pq.read_table(io.BytesIO(data)).to_pylist():
            every = range(1, len(CATEGORIES) + 1)
            rows.update((row["image_id"], n) for n in (row.get("category_id"),) if n)
            rows.update((row["image_id"], n) for n in every if name.startswith("rejected/"))
    # Names of rejected parts hold a hash of their bytes; the labels' footers name them.
    differing = [name for name in calm.keys() | found.keys() if calm.get(name) != found.get(name)]
    faults += [f"{name}: not the bytes of an undisturbed run" for name in sorted(differing)]
    duplicates = sum(count - 1 for count in rows.values())
    losses = images * len(CATEGORIES) - len(rows)
    return Remains(duplicates, losses, tuple(f"{output}: {fault}" for fault in faults))
