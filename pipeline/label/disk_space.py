"""Check that a local output has room for the labels that a job will write."""

import os
import shutil

from fsspec.implementations.local import LocalFileSystem

from pipeline.label.check import CheckedJob
from schemas.errors import BadStorage

# Measured rows of real photos at native size take about 0.7 kB compressed; three times that.
BYTES_PER_ROW = 2048
# The photos of common collections are 50 kB and more, so an archive holds at most this many.
BYTES_PER_IMAGE = 50_000


def check_space(checked: CheckedJob) -> None:
    """Raise BadStorage when a local disk has less room than a generous estimate of the labels."""
    if not isinstance(checked.output.fs, LocalFileSystem):
        return
    images = sum(
        len(shard.images) or shard.size_bytes // BYTES_PER_IMAGE + 1
        for shard, _ in checked.unfinished
    )
    need = images * len(checked.identity.categories) * BYTES_PER_ROW
    folder = checked.output.path
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    free = shutil.disk_usage(folder).free
    if need > free:
        raise BadStorage(
            "the output's disk is too full for this job",
            checked.job.output.uri,
            f"{free / 2**30:.1f} GiB free",
            f"about {need / 2**30:.1f} GiB for {images} images",
        )
