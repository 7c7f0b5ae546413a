"""Turn a tar of JPEG photos into images per second, read and decoded, three times each.

python -m benchmarks.read [--images N] [--also s3://bucket/prefix]

The photos are made here, 640 x 480 and some 100 KB each. With --also, the same tar is written
below that URI and read from there; the endpoint and credentials come from the AWS variables.
"""

import argparse
import io
import resource
import tarfile
import tempfile
import time
from collections.abc import Sequence

import numpy as np
from PIL import Image

from pipeline.images.decode import decode_image
from pipeline.inputs.shards import read_units
from pipeline.inputs.sources import plan_shards
from pipeline.storage.place import Place
from schemas.job.compute import Limits
from schemas.job.source import WebDataset
from schemas.job.storage import Storage

_IMAGES_PER_UNIT = 256


def make_photos(count: int) -> list[bytes]:
    """Return JPEGs of blurred noise, which compresses about as photos do."""
    draw = np.random.default_rng(0)
    photos = []
    for _ in range(count):
        coarse = draw.integers(0, 256, (60, 80, 3), dtype=np.uint8)
        smooth = np.asarray(Image.fromarray(coarse).resize((640, 480), Image.Resampling.BICUBIC))
        grain = draw.normal(0, 9, smooth.shape)
        pixels = np.clip(smooth + grain, 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
        photos.append(buffer.getvalue())
    return photos


def pack(photos: Sequence[bytes], count: int) -> bytes:
    """Return a WebDataset shard of `count` images, the photos over and over."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number in range(count):
            data = photos[number % len(photos)]
            member = tarfile.TarInfo(f"{number:06d}.jpg")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def measure_read(folder: str, shard: bytes) -> None:
    """Write a shard below a folder, read it back unit by unit, and print the speed."""
    storage = Storage()
    Place.open(folder, storage).below("shard.tar").replace(shard)
    source = WebDataset(type="webdataset", shards=f"{folder}/shard.tar")
    (planned,) = plan_shards(source, storage, _IMAGES_PER_UNIT)
    for _ in range(3):
        start = time.perf_counter()
        units = read_units(planned, source, storage, Limits())
        images = sum(len(unit.images) for unit in units)
        seconds = time.perf_counter() - start
        speed = f"{images / seconds:.0f} images/s, {len(shard) / seconds / 2**20:.0f} MiB/s"
        print(f"read  {folder}: {speed}, peak {_peak_mib():.0f} MiB")


def measure_decode(photos: Sequence[bytes]) -> None:
    """Print how fast one thread decodes."""
    for _ in range(3):
        start = time.perf_counter()
        for photo in photos:
            decode_image(photo, Limits())
        seconds = time.perf_counter() - start
        print(f"decode 640 x 480 JPEG, one thread: {len(photos) / seconds:.0f} images/s")


def _peak_mib() -> float:
    # Linux counts in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure reading from a local disk, decoding, and reading from --also."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--also", help="a folder on object storage")
    arguments = parser.parse_args()
    photos = make_photos(200)
    shard = pack(photos, arguments.images)
    mean_kb = sum(map(len, photos)) / len(photos) / 1000
    print(f"{arguments.images} images of {mean_kb:.0f} KB, {len(shard) / 2**20:.0f} MiB")
    measure_decode(photos)
    with tempfile.TemporaryDirectory() as folder:
        measure_read(folder, shard)
    if arguments.also:
        measure_read(arguments.also.rstrip("/"), shard)


if __name__ == "__main__":
    main()
