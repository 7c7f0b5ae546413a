"""Time the labeling dataflow against a bare loop over the same images, in one run.

    python -m benchmarks.label [--images 512]

Both decode, segment with the nano networks (random weights; the work is the same), encode and keep
rows. The bare loop has no Ray, no storage and no second thread: what it is faster by is the price
of everything the pipeline promises; on one core a pipeline cannot be faster.
"""

import argparse
import io
import logging
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import ray
from PIL import Image

from jobs.cluster.connect import join_cluster
from model.build import build_segmenter
from model.networks.device import pick_precision
from pipeline.images.decode import decode_image
from pipeline.label.check import CheckedJob, check
from pipeline.label.rows import RowContext, label_rows
from pipeline.label.run import label
from pipeline.workers.pool import on_cluster
from schemas.job.label import LabelJob
from schemas.record.receipt import Receipt

SHARDS = 4


UNIT = 64


def main() -> None:
    """Print images/s of both, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=512)
    images = parser.parse_args().images
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_shards(folder, images)
        checked = check(small_job(folder))
        bare_s = bare_loop(checked, folder)
        first_s, all_s = pipeline(checked)
    steady_s = all_s - first_s
    print(f"bare loop           {images / bare_s:7.1f} images/s")
    print(f"pipeline, in all    {images / all_s:7.1f} images/s, first unit after {first_s:.1f} s")
    print(f"pipeline, steady    {(images - UNIT) / steady_s:7.1f} images/s")
    print(f"steady / bare loop  {(images - UNIT) / steady_s / (images / bare_s):7.2f}")


def write_shards(folder: Path, images: int) -> None:
    """Write `images` JPEGs of 640 x 480 into tars, and a reference."""
    rng = np.random.default_rng(0)
    each = images // SHARDS
    for shard in range(SHARDS):
        with tarfile.open(folder / f"{shard}.tar", "w") as tar:
            for number in range(each):
                data = _jpeg(rng)
                info = tarfile.TarInfo(f"{number:05d}.jpg")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    (folder / "reference.jpg").write_bytes(_jpeg(rng))


def _jpeg(rng: np.random.Generator) -> bytes:
    small = Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    small.resize((640, 480), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def small_job(folder: Path, actors: int = 1) -> LabelJob:
    """Return a job of the nano networks and 3 categories; one decoding thread an actor."""
    nano = {"type": "nano", "weights": "random"}
    box = {"type": "box", "xyxy": [100, 100, 300, 300]}
    reference = {"image": str(folder / "reference.jpg"), "annotation": box}
    return LabelJob.model_validate(
        {
            "targets": {"type": "webdataset", "shards": str(folder)},
            "references": [{"category": name, **reference} for name in ("a", "b", "c")],
            "method": {"type": "vrp", "weights": "random", "sam": nano, "backbone": nano},
            "output": {"uri": str(folder / "labels")},
            "allow_random_weights": True,
            "compute": {
                "images_per_unit": UNIT,
                "decode_threads": 1,
                "actors": {"min": actors, "max": actors},
            },
        }
    )


def bare_loop(checked: CheckedJob, folder: Path) -> float:
    """Return the seconds of a loop over the same images, on one thread."""
    precision = pick_precision(checked.job.compute.precision, "cpu")
    segmenter = build_segmenter(checked.job.method, checked.references, "cpu", precision)
    ids = {r.category_id: (r.id,) for r in checked.references}
    context = RowContext(checked.identity, ids, checked.job.thresholds)
    start = time.perf_counter()
    rows = 0
    for data in _members(folder):
        pixels_HW3 = decode_image(data, checked.job.limits).pixels_HW3
        height, width, _ = pixels_HW3.shape
        (predictions,) = segmenter.segment([pixels_HW3])
        rows += len(label_rows(predictions, (height, width), context))
    return time.perf_counter() - start


def _members(folder: Path) -> Iterator[bytes]:
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert file is not None
                yield file.read()


def pipeline(checked: CheckedJob, cpus: int | None = None) -> tuple[float, float]:
    """Return the seconds to the first committed unit, and to the commit.

    Ray is begun as `vrp label` does, or with so many cpus, where that is to be more than the
    machine has.
    """
    if cpus is None:
        join_cluster()
    else:
        quiet = logging.WARNING
        ray.init(address="local", num_cpus=cpus, logging_level=quiet, include_dashboard=False)
    first: list[float] = []
    start = time.perf_counter()

    def arrived(_: Receipt) -> None:
        first.append(time.perf_counter() - start)

    label(checked, arrived, on_cluster)
    all_s = time.perf_counter() - start
    ray.shutdown()
    return first[0], all_s


if __name__ == "__main__":
    main()
